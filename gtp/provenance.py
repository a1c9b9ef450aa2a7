"""Which source files decide a result, so that it is made again when one of them changes."""

import ast
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
        waiting += _imports(path)
    return sorted(path.relative_to(ROOT).as_posix() for path in found.values())


def files_imported_by(script: Path) -> list[str]:
    """`files_behind` the modules of gtp that a script outside of it imports."""
    return files_behind(*_imports(Path(script)))


def _source(module: str) -> Path | None:
    """The file of a module, None for a name that is not one; the top package has nothing but re-exports."""
    stem = ROOT.joinpath(*module.split("."))
    candidates = [stem.with_suffix(".py"), stem / "__init__.py"]
    return None if module == "gtp" else next((path for path in candidates if path.exists()), None)


@cache
def _imports(path: Path) -> list[str]:
    """Names below gtp that a file imports; `from a import b` counts as a and as a.b."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "gtp"]
