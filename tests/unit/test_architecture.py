"""Imports run as docs/architecture.md says: its table is what these tests read."""

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
CORE = ("gtp.policy", "gtp.training.loop", "gtp.evaluation.bench")
CORE_LIBRARIES = {"filelock", "numpy", "safetensors", "torch"}
DOORS = {"gtp": {"policy"}, "gtp.__main__": {"cli"}}
"""Modules of no room, and the room that each opens."""


class Room(NamedTuple):
    """A row of the table."""

    may_import: set[str]
    libraries: set[str]


def read_rooms(page: str) -> dict[str, Room]:
    """The table's rows from top to bottom, by name."""
    rows = re.findall(r"^\| `([\w.]+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", page, re.MULTILINE)
    return {name: Room(words(rooms), words(libraries)) for name, rooms, libraries in rows}


def words(cell: str) -> set[str]:
    return set(cell.replace(",", " ").split())


ROOMS = read_rooms(PAGE)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted((ROOT / "gtp").rglob("*.py"))}


def room_of(module: str) -> str | None:
    """The room of a module: the longest name in the table that it begins with; None for a door."""
    inside = module.removeprefix("gtp.")
    rooms = [room for room in ROOMS if inside == room or inside.startswith(f"{room}.")]
    return max(rooms, key=len, default=None)


@cache
def imports_of(path: Path) -> list[str]:
    """Modules that a Python file imports, also inside functions; those of gtp in full."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in MODULES else node.module for name in names]
    return found


def libraries_of(path: Path) -> set[str]:
    """Packages that a file imports beside gtp and Python's own."""
    packages = {name.split(".")[0] for name in imports_of(path)}
    return packages - {"gtp"} - set(sys.stdlib_module_names)


def behind(*modules: str) -> set[str]:
    """The modules and all of gtp that they import, however deep."""
    found, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [name for name in imports_of(MODULES[module]) if name in MODULES]
    return found


def test_every_module_has_a_room_and_every_room_a_module():
    homeless = {module for module in MODULES if room_of(module) is None} - set(DOORS)
    assert not homeless, "give these a row in docs/architecture.md"
    assert {room_of(module) for module in MODULES} - {None} == set(ROOMS) - {"workflow"}


def test_rooms_may_import_only_rooms_above_them_in_the_table():
    """So that what they may import holds no circle."""
    seen = set()
    for name, room in ROOMS.items():
        assert room.may_import <= seen, f"{name} may import {room.may_import - seen}"
        seen.add(name)


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(DOORS)))
def test_a_module_imports_what_its_room_may(module):
    path, name = MODULES[module], room_of(module)
    wrong = {
        other
        for other in imports_of(path)
        if other in MODULES and room_of(other) not in {name, *ROOMS[name].may_import}
    }
    assert not wrong, f"docs/architecture.md does not let {name} import them"
    assert libraries_of(path) <= ROOMS[name].libraries


def test_doors_open_one_room_each():
    for module, rooms in DOORS.items():
        assert {room_of(name) for name in imports_of(MODULES[module]) if name in MODULES} == rooms


def test_the_workflow_imports_what_the_table_says():
    files = [path for path in (ROOT / "workflow").rglob("*") if path.suffix in {".py", ".smk"}]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    modules = set(re.findall(r"^\s*(?:from|import) (gtp[\w.]*)", text, re.MULTILINE))
    assert modules
    assert {room_of(module) for module in modules} <= ROOMS["workflow"].may_import


def test_the_core_needs_torch_and_numpy_alone():
    needed = {module: libraries_of(MODULES[module]) - CORE_LIBRARIES for module in behind(*CORE)}
    assert not {module: libraries for module, libraries in needed.items() if libraries}


def test_the_drawing_shows_every_room():
    drawing = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
    assert {name for name in ROOMS if not re.search(rf"\b{name}\b", drawing)} == set()


PAGES = [page for folder in (".", "docs", "config") for page in sorted((ROOT / folder).glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert not [link for link in links if not (page.parent / link).exists()]
