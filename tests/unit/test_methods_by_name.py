"""Methods are found by the names of their files, and a file that is none harms nobody else."""

import sys

import pytest

from gtp import algorithms
from gtp.algorithms.gtp import GTP
from gtp.errors import UserError

FILES = {
    "broken": "\nraise RuntimeError('first line\\nsecond line')\n",
    "empty": "",
}


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """Two more files beside the methods, neither of which is one; and a folder, which is no method either."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/__init__.py").write_text("")
    monkeypatch.setattr(algorithms, "__path__", [*algorithms.__path__, str(tmp_path)])
    yield
    for name in FILES:
        sys.modules.pop(f"gtp.algorithms.{name}", None)


def test_a_method_has_the_name_of_its_file():
    assert algorithms.get("gtp") is GTP
    assert algorithms.name_of(GTP()) == "gtp"
    assert algorithms.names() == sorted(algorithms.names())
    assert "common" not in algorithms.names()


def test_a_name_of_no_method_is_told_the_nearest_one():
    with pytest.raises(ValueError, match="unknown algorithm 'gpt'; did you mean 'gtp'"):
        algorithms.get("gpt")


@pytest.mark.usefixtures("own_files")
def test_a_file_that_is_no_method_is_named_and_the_others_are_found():
    sound, problems = algorithms.sort_out()
    assert sorted(sound) == [name for name in algorithms.names() if name not in FILES]
    assert sound["gtp"] is GTP
    first, second = problems
    assert "gtp/algorithms/broken.py is not a method (RuntimeError: first line); mend it" in first
    assert "gtp/algorithms/empty.py is not a method (AttributeError: " in second
    with pytest.raises(UserError, match="broken.py"):
        algorithms.get("broken")
