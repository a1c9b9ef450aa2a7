"""Methods: the entries of config/methods.yaml."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from gtp import algorithms
from gtp.errors import UserError
from gtp.studies.reading import check_entry, parse, place, read_mapping, suggest


@dataclass(frozen=True, kw_only=True)
class Method:
    """One entry of methods.yaml: an algorithm and what differs from its defaults."""

    trial_of: ClassVar[str | None] = None
    """The method of which a Trial is one (gtp.studies.trials)."""

    algorithm: str
    """Name of a module of gtp.algorithms."""
    label: str
    """Name in figures and tables."""
    group: Literal["rl", "cloning"]
    """Whether the method uses rewards."""
    set: dict[str, Any] = field(default_factory=dict)
    """Fields of the algorithm's dataclass that differ from its defaults."""
    set_by_suite: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Suite -> fields that differ from `set` on its tasks."""
    ablation_of: str | None = None
    """The method that this one takes something away from."""

    def settings(self, suite: str) -> dict[str, Any]:
        """What differs from the algorithm's defaults on the tasks of a suite."""
        return {**self.set, **self.set_by_suite.get(suite, {})}

    @property
    def choosable_nfe(self) -> bool:
        """Whether it acts with a number of function evaluations that one may choose."""
        return algorithms.get(self.algorithm).choosable_nfe


def load_methods(path: Path) -> dict[str, Method]:
    """The methods of a methods file by name, in its order."""
    methods: dict[str, Method] = {}
    for name, entry in read_mapping(path).items():
        check_entry(name, str(path))
        method = methods[name] = parse(Method, entry, str(path), (name,))
        if method.algorithm not in algorithms.names():
            raise UserError(
                f"{place(str(path), (name, 'algorithm'))}: unknown algorithm '{method.algorithm}'"
                + suggest(method.algorithm, algorithms.names())
            )
        algorithm = algorithms.get(method.algorithm)
        parse(algorithm, method.set, str(path), (name, "set"))
        for suite in method.set_by_suite:
            parse(algorithm, method.settings(suite), str(path), (name, "set_by_suite", suite))
    _check_ablations(methods, str(path))
    _check_labels(methods, str(path))
    return methods


def _check_labels(methods: dict[str, Method], file: str) -> None:
    """Figures and tables know a method by its label alone."""
    owners: dict[str, str] = {}
    for name, method in methods.items():
        where = place(file, (name, "label"))
        if not method.label.strip():
            raise UserError(f"{where} is empty")
        if owners.setdefault(method.label, name) != name:
            raise UserError(f"{where}: '{method.label}' is {owners[method.label]}'s label; choose another")


def _check_ablations(methods: dict[str, Method], file: str) -> None:
    """An ablation names its parent, in `ablation_of` and in its own name, and gives a target of its own."""
    owners: dict[str, str] = {}
    for name, method in methods.items():
        parent, where = method.ablation_of, place(file, (name, "ablation_of"))
        if parent is None:
            continue
        if parent not in methods:
            raise UserError(f"{where}: unknown method '{parent}'{suggest(parent, methods)}")
        short = name.removeprefix(f"{parent}-")
        if short == name:
            raise UserError(f"{where}: an ablation of {parent} is named {parent}-<what>; rename '{name}'")
        if owners.setdefault(short, name) != name:
            raise UserError(f"{where}: '{owners[short]}' has the target ablation_{short} already; rename one")
