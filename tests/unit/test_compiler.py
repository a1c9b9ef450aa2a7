"""A compiler that does not work costs speed and one line, not the run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gtp.training import compiler, loop
from gtp.training.compiler import (
    CACHE,
    compiled,
    compiler_available,
    find_compiler_problem,
    kind_of_cpu,
    use_own_cache,
)
from gtp.training.duplicates import MergeDuplicates
from gtp.training.zeros import StoreZeros

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


@pytest.mark.parametrize("wanted", [None, "/home/a b/cache", "/home/ü/cache"])
def test_cache_below_a_path_that_needs_quotes_is_where_torch_has_it(wanted, monkeypatch):
    monkeypatch.delenv(CACHE, raising=False)
    if wanted is not None:
        monkeypatch.setenv(CACHE, wanted)
    monkeypatch.setattr(compiler, "default_cache_dir", lambda: "/tmp/by-default")
    monkeypatch.setattr(compiler, "kind_of_cpu", lambda: "avx2-1")
    use_own_cache()
    assert os.environ[CACHE] == "/tmp/by-default/avx2-1"


def test_cache_has_a_folder_of_the_cpu_and_processes_that_start_others_share_it(monkeypatch):
    monkeypatch.setenv(CACHE, "/home/a-b/cache.d")
    monkeypatch.setattr(compiler, "kind_of_cpu", lambda: "avx2-1")
    for _ in range(2):
        use_own_cache()
        assert os.environ[CACHE] == "/home/a-b/cache.d/avx2-1"
    monkeypatch.setattr(compiler, "kind_of_cpu", lambda: "avx512-2")
    use_own_cache()
    assert os.environ[CACHE] == "/home/a-b/cache.d/avx2-1/avx512-2"


ABILITIES = {"avx2": True, "avx512_f": False, "cpu_name": "A", "num_sockets": 1, "l2_cache_size": 1}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"num_sockets": 2, "l2_cache_size": 2}, True),  # no instruction depends on them
        ({"avx512_f": True}, False),
        ({"avx2": False}, False),
        ({"cpu_name": "B"}, False),
    ],
)
def test_cpus_that_run_each_others_code_are_of_a_kind(change, same, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NO AVX")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: ABILITIES)
    before = kind_of_cpu()
    assert re.fullmatch("no-avx-[0-9a-f]{8}", before)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: ABILITIES | change)
    assert (kind_of_cpu() == before) is same


SHARING = """
import torch
from torch._inductor.cpu_vec_isa import VecISA
from gtp.training.compiler import compiled
if {trial_fails}:
    VecISA._probe_load = lambda self, path: False
x = torch.linspace(-3.0, 3.0, 1000).reshape(8, 125)
torch.testing.assert_close(compiled(torch.nn.functional.mish, x.device)(x), torch.nn.functional.mish(x))
"""


@pytest.mark.unmutated
def test_processes_share_a_cache_whatever_vectors_they_take_and_whatever_trials_fail(tmp_path):
    """CPUs of narrower vectors do not take the code of wider ones; one whose trial failed takes its own."""
    native = torch.backends.cpu.get_cpu_capability().lower()
    for capability, trial_fails in [(native, False), ("default", False), (native, True)]:
        command = [sys.executable, "-c", SHARING.format(trial_fails=trial_fails)]
        environment = {CACHE: str(tmp_path / "cache"), "ATEN_CPU_CAPABILITY": capability}
        subprocess.run(command, env=os.environ | environment, check=True)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize(
    ("device", "programs", "modules", "available"),
    [
        ("cpu", {"g++"}, set(), True),
        ("cpu", {"clang++"}, set(), True),
        ("cpu", {"gcc"}, {"triton"}, False),
        ("cuda", {"gcc"}, {"triton"}, True),
        ("cuda", {"clang"}, {"triton"}, True),
        ("cuda", {"gcc", "g++"}, set(), False),
        ("cuda", set(), {"triton"}, False),
    ],
)
def test_a_cpu_needs_a_compiler_of_cpp_and_a_gpu_triton_and_one_of_c(
    device, programs, modules, available, monkeypatch
):
    monkeypatch.setattr(compiler.shutil, "which", lambda name: name if name in programs else None)
    monkeypatch.setattr(compiler, "find_spec", lambda name: name if name in modules else None)
    assert compiler_available(torch.device(device)) is available


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


@pytest.mark.parametrize(
    ("message", "problem"),
    [("\n  no such file\nby inductor", "no such file"), ("\n", "RuntimeError"), ("x" * 200, "x" * 120)],
)
def test_a_compilers_problem_is_the_first_line_of_its_error(message, problem, monkeypatch):
    def fail(x):
        raise RuntimeError(message)

    monkeypatch.setattr(torch, "compile", lambda function, **settings: fail)
    assert find_compiler_problem(CPU) == problem


def test_a_compiler_that_works_is_no_problem_and_has_a_safe_cache(monkeypatch):
    monkeypatch.setenv(CACHE, "/home/a b")
    monkeypatch.setattr(torch, "compile", lambda function, **settings: function)
    assert find_compiler_problem(CPU) is None
    assert os.environ[CACHE].endswith(f"/{kind_of_cpu()}")
    assert "a b" not in os.environ[CACHE]


def test_nothing_is_tried_where_training_is_eager(monkeypatch):
    monkeypatch.setattr(loop, "find_compiler_problem", lambda device: pytest.fail("was tried"))
    assert loop.choose_compiled("off", CPU) is False


@pytest.mark.parametrize(("device", "wrapper"), [("cpu", True), ("cuda", False)])
def test_an_update_is_one_graph_of_fixed_shapes_and_on_a_cpu_one_file(device, wrapper, monkeypatch):
    asked = {}
    monkeypatch.setattr(torch, "compile", lambda function, **settings: asked.update(settings) or function)
    compiled(torch.sin, torch.device(device))
    options = asked.pop("options")
    assert asked == {"dynamic": False, "fullgraph": True}
    assert isinstance(options.pop("joint_custom_pre_pass"), StoreZeros)
    assert isinstance(options.pop("post_grad_custom_pre_pass"), MergeDuplicates)
    assert options == ({"cpp_wrapper": True, "cpp.vec_isa_ok": True} if wrapper else {})
