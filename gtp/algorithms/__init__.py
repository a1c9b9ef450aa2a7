"""The methods by name: one module each, whose ALGORITHM is the class. A new file here is a new method."""

import importlib
import pkgutil

from gtp.algorithms.common.interface import Algorithm
from gtp.errors import UserError, suggest


def names() -> list[str]:
    """Names of all methods, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def get(name: str) -> type[Algorithm]:
    """The class of a method.

    Raises ValueError that names the nearest method when there is none, UserError when its file is unsound.
    """
    if name not in names():
        raise ValueError(f"unknown algorithm '{name}'; {suggest(name, names(), 'gtp/algorithms')}")
    try:
        return importlib.import_module(f"{__name__}.{name}").ALGORITHM
    except Exception as error:  # whatever a file of one's own may raise
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"gtp/algorithms/{name}.py is not a method ({problem}); mend it or take it away"
        ) from error


def sort_out() -> tuple[dict[str, type[Algorithm]], list[str]]:
    """The classes of all methods by name, and what `get` says of those whose file is unsound."""
    sound, problems = {}, []
    for name in names():
        try:
            sound[name] = get(name)
        except UserError as error:
            problems.append(str(error))
    return sound, problems


def name_of(algorithm: Algorithm) -> str:
    """The name under which `get` finds an algorithm: its module's."""
    return type(algorithm).__module__.rpartition(".")[2]
