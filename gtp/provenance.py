"""Which source files decide a result, so that it is made again when what one of them does changes."""

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
INCIDENTAL = {
    "gtp.data.sources",
    "gtp.errors",
    "gtp.files",
    "gtp.progress",
    "gtp.schema",
}  # messages, file handling and names of columns: no number depends on them


def files_behind(*modules: str) -> list[str]:
    """The modules and all of gtp that they import, however deep, as paths from the repository root, sorted.

    Imports are read from the source, including those inside functions. What a module looks up by name at run
    time, as gtp.algorithms does with the methods, must be given as a module of its own.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _source(module)
        if module in found or module in INCIDENTAL or path is None:
            continue
        found[module] = path
        waiting += _read(path).imports
    return sorted(path.relative_to(ROOT).as_posix() for path in found.values())


@cache
def code_behind(*modules: str) -> str:
    """`code_digest` of `files_behind` the modules."""
    return code_digest(ROOT / file for file in files_behind(*modules))


def code_imported_by(script: Path) -> str:
    """`code_behind` the modules of gtp that a script outside of it imports."""
    return code_behind(*_read(Path(script)).imports)


def code_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over what the Python files execute, in the order given.

    Comments, docstrings and layout do not count: it is over syntax trees, which are those of one minor
    version of Python.
    """
    return hashlib.sha256(b"".join(_read(path).digest for path in paths)).hexdigest()


@cache
def _source(module: str) -> Path | None:
    """The file of a module, None for a name that is not one; the top package has nothing but re-exports."""
    stem = ROOT.joinpath(*module.split("."))
    candidates = [stem.with_suffix(".py"), stem / "__init__.py"]
    return None if module == "gtp" else next((path for path in candidates if path.exists()), None)


@dataclass(frozen=True)
class _Source:
    """What a Python file says, as far as it matters here."""

    imports: tuple[str, ...]
    """Names below gtp that it imports; `from a import b` counts as a and as a.b."""
    digest: bytes
    """Of its syntax tree, without the strings that stand alone as statements."""


@cache
def _read(path: Path) -> _Source:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(body := getattr(node, "body", None), list):
            body[:] = [statement for statement in body if not _is_text(statement)]
    own = tuple(name for name in names if name.split(".")[0] == "gtp")
    return _Source(own, hashlib.sha256(ast.dump(tree).encode()).digest())


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
