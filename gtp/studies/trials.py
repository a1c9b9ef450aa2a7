"""Trials: the entries of config/trials.yaml, settings among which a method may be tuned.

Every method has as many trials, the first with its own settings, so that none is tuned more than another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtp import algorithms
from gtp.errors import UserError, suggest
from gtp.studies.methods import Method
from gtp.studies.reading import parse, place, read_mapping


@dataclass(frozen=True, kw_only=True)
class Trial(Method):
    """A method with some of its settings changed."""

    trial_of: str  # type: ignore[misc]
    """The method that is tuned."""
    changes: dict[str, Any]
    """Fields that differ from that method's on the tasks of all suites; empty for the first trial."""

    def settings(self, suite: str) -> dict[str, Any]:
        return {**super().settings(suite), **self.changes}

    @property
    def text(self) -> str:
        """The changes in words, for print."""
        return ", ".join(f"{name} = {value}" for name, value in self.changes.items()) or "default"


def load_trials(path: Path, methods: Mapping[str, Method]) -> dict[str, Trial]:
    """The trials of a trials file as methods named <method>-trial_<i>, i from 0, in its order.

    Raises: UserError, one line, about the first thing that is wrong.
    """
    file, trials, counts = str(path), {}, {}
    for name, entry in read_mapping(path).items():
        if name not in methods:
            raise UserError(f"{place(file, (name,))}: unknown method; {suggest(name, methods)}")
        if methods[name].ablation_of:
            raise UserError(
                f"{place(file, (name,))}: an ablation has no trials; remove it and tune"
                f" '{methods[name].ablation_of}'"
            )
        for number, changes in enumerate(_read_changes(name, entry, methods[name], file)):
            own = f"{name}-trial_{number}"
            if own in methods:
                raise UserError(
                    f"{place(file, (name, number))}: methods have an entry '{own}'; rename that one"
                )
            label = f"{methods[name].label}, trial {number}"
            trials[own] = Trial(**{**vars(methods[name]), "label": label}, trial_of=name, changes=changes)
        counts[name] = len(entry)
    first = next(iter(counts), "")
    for name, count in counts.items():
        if count != counts[first]:
            raise UserError(
                f"{place(file, (name,))}: {count} trials, but {first} has {counts[first]};"
                " give every method as many"
            )
    return trials


def _read_changes(name: str, entry: Any, method: Method, file: str) -> list[dict[str, Any]]:
    """The settings of a method's trials, checked alone and together with what the method sets itself."""
    if not isinstance(entry, list) or not entry or entry[0] != {}:
        raise UserError(f"{place(file, (name,))}: expected a list whose first trial is {{}}, got {entry!r}")
    algorithm = algorithms.get(method.algorithm)
    seen: list[list[Any]] = []
    for number, changes in enumerate(entry):
        where = (name, number)
        if not isinstance(changes, dict):
            raise UserError(f"{place(file, where)}: expected a mapping, got {changes!r}")
        settings = [method.set, *map(method.settings, method.set_by_suite)]
        configured = [parse(algorithm, {**own, **changes}, file, where) for own in settings]
        if configured in seen:
            raise UserError(
                f"{place(file, where)}: the same settings as trial {seen.index(configured)}; change one"
            )
        seen.append(configured)
    return entry
