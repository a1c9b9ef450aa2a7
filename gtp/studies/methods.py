"""Methods: the entries of config/methods.yaml."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from gtp import algorithms
from gtp.errors import UserError, suggest
from gtp.studies.reading import check_entry, parse, place, read_mapping


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
    weights_of: str | None = None
    """The method whose training it shares: it differs in what belongs to acting alone."""
    size_of: str | None = None
    """The method of which this one is another size; figures of scaling draw them together."""

    def settings(self, suite: str) -> dict[str, Any]:
        """What differs from the algorithm's defaults on the tasks of a suite."""
        return {**self.set, **self.set_by_suite.get(suite, {})}

    @cached_property
    def choosable_nfe(self) -> bool:
        """Whether it acts with a number of function evaluations that one may choose."""
        return algorithms.get(self.algorithm).choosable_nfe


def load_methods(path: Path) -> dict[str, Method]:
    """The methods of a methods file by name, in its order."""
    methods: dict[str, Method] = {}
    for name, entry in read_mapping(path).items():
        check_entry(name, str(path))
        method = methods[name] = parse(Method, entry, str(path), (name,))
        try:
            algorithm = algorithms.get(method.algorithm)
        except (ValueError, UserError) as error:
            raise UserError(f"{place(str(path), (name, 'algorithm'))}: {error}") from error
        parse(algorithm, method.set, str(path), (name, "set"))
        for suite in method.set_by_suite:
            parse(algorithm, method.settings(suite), str(path), (name, "set_by_suite", suite))
    _check_ablations(methods, str(path))
    _check_weights(methods, str(path))
    _check_sizes(methods, str(path))
    _check_labels(methods, str(path))
    return methods


def _check_labels(methods: dict[str, Method], file: str) -> None:
    """Raises UserError when a label is empty or not unique: figures and tables name methods by it alone."""
    owners: dict[str, str] = {}
    for name, method in methods.items():
        where = place(file, (name, "label"))
        if not method.label.strip():
            raise UserError(f"{where} is empty")
        if owners.setdefault(method.label, name) != name:
            raise UserError(f"{where}: '{method.label}' is {owners[method.label]}'s label; choose another")


def _require_known(parent: str, methods: dict[str, Method], where: str, file: str) -> None:
    """Raises UserError when there is no method of the name that an entry refers to."""
    if parent not in methods:
        raise UserError(f"{where}: unknown method '{parent}'; {suggest(parent, methods, file)}")


def _check_weights(methods: dict[str, Method], file: str) -> None:
    """Who acts from another's weights has that one's algorithm and what belongs to its training."""
    for name, method in methods.items():
        parent, where = method.weights_of, place(file, (name, "weights_of"))
        if parent is None:
            continue
        _require_known(parent, methods, where, file)
        other = methods[parent]
        if other.algorithm != method.algorithm or other.weights_of:
            raise UserError(
                f"{where}: '{parent}' has no weights for {method.algorithm}; train '{name}' itself"
            )
        algorithm = algorithms.get(method.algorithm)
        for suite in {"", *method.set_by_suite, *other.set_by_suite}:
            own, shared = (vars(algorithm(**m.settings(suite))) for m in (method, other))
            wrong = [key for key in own if own[key] != shared[key] and key not in algorithm.acting_fields]
            if wrong:
                raise UserError(f"{where}: '{wrong[0]}' belongs to training; train '{name}' itself")


def _check_sizes(methods: dict[str, Method], file: str) -> None:
    """Raises UserError when the method in `size_of` is unknown, of another algorithm, or a size itself.

    Figures of scaling would draw it in a family of its own.
    """
    for name, method in methods.items():
        parent, where = method.size_of, place(file, (name, "size_of"))
        if parent is None:
            continue
        _require_known(parent, methods, where, file)
        other = methods[parent]
        if other.size_of:
            raise UserError(f"{where}: '{parent}' is a size of '{other.size_of}' itself; name that")
        if other.algorithm != method.algorithm:
            raise UserError(
                f"{where}: '{parent}' is {other.algorithm} and '{name}' {method.algorithm};"
                " name a method of that algorithm"
            )


def _check_ablations(methods: dict[str, Method], file: str) -> None:
    """Raises UserError when the parent in `ablation_of` is unknown, when the ablation's name is not
    <parent>-<what>, or when two ablations share their <what>, from which the target ablation_<what> is named.
    """
    owners: dict[str, str] = {}
    for name, method in methods.items():
        parent, where = method.ablation_of, place(file, (name, "ablation_of"))
        if parent is None:
            continue
        _require_known(parent, methods, where, file)
        short = name.removeprefix(f"{parent}-")
        if short == name:
            raise UserError(f"{where}: an ablation of {parent} is named {parent}-<what>; rename '{name}'")
        if owners.setdefault(short, name) != name:
            raise UserError(f"{where}: '{owners[short]}' has the target ablation_{short} already; rename one")
