"""A compiler that does not work costs speed and one line, not the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gtp.training import loop
from gtp.training.compiler import use_safe_cache

CPU = torch.device("cpu")
PROBE = """
import torch
from gtp.training.loop import choose_compiled
print(choose_compiled("auto", torch.device("cpu")))
"""


def probe(folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """What `choose_compiled` says and prints in a process of its own, whose cache is new."""
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")} | variables
    command = [sys.executable, "-c", PROBE]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.unmutated
def test_compiler_that_fails_means_one_line_and_eager_training(tmp_path):
    broken = tmp_path / "bin"
    broken.mkdir()
    for name in ("g++", "clang++", "c++"):
        (broken / name).write_text("#!/bin/sh\nexit 1\n")
        (broken / name).chmod(0o755)
    result = probe(tmp_path, PATH=str(broken))
    assert result.stdout == "False\n", result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("nothing can be compiled here (")
    assert line.endswith("): training runs eagerly, about half as fast")


def test_cache_below_a_path_with_a_space_is_left_to_torch(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/home/a b/ü/cache")
    use_safe_cache()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/home/a-b/cache.d")
    use_safe_cache()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/home/a-b/cache.d"


@pytest.mark.parametrize(
    ("found", "problem", "compiled", "said"),
    [
        (True, None, True, ""),
        (False, None, False, "no C++ compiler found"),
        (True, "g++: not found", False, "nothing can be compiled here (g++: not found)"),
    ],
)
def test_update_is_compiled_where_the_compiler_works(found, problem, compiled, said, monkeypatch, capsys):
    monkeypatch.setattr(loop, "compiler_available", lambda device: found)
    monkeypatch.setattr(loop, "find_compiler_problem", lambda device: problem)
    assert loop.choose_compiled("auto", CPU) is compiled
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert len(error.splitlines()) == int(bool(said))


def test_nothing_is_tried_where_training_is_eager(monkeypatch):
    monkeypatch.setattr(loop, "find_compiler_problem", lambda device: pytest.fail("was tried"))
    assert loop.choose_compiled("off", CPU) is False
