"""Compiling an update, and whether that works here: tried on a line of code before a run counts on it."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from gtp.training.duplicates import MergeDuplicates
from gtp.training.zeros import StoreZeros

CACHE = "TORCHINDUCTOR_CACHE_DIR"
UNQUOTED = re.compile(r"[\w./+-]+", re.ASCII)
"""Paths that inductor may put into the compiler's command line, which it does without quotes."""


def compiler_available(device: torch.device) -> bool:
    """Whether torch.compile has what it needs: a C++ compiler, and Triton for CUDA."""
    if device.type == "cuda":
        return find_spec("triton") is not None and any(shutil.which(name) for name in ("gcc", "clang"))
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def compiled(function: Callable[..., Tensor], device: torch.device) -> Callable[..., Tensor]:
    """A function compiled at its first call, for tensors on `device` whose shapes never change.

    On a CPU the kernels and what calls them are one C++ file. In files of their own, the default, each
    kernel takes the compiler seconds for torch's headers. Its vector instructions are those that torch sees,
    untried: where inductor's trial of them fails for once, it would write other code, with other last digits.
    """
    use_own_cache()
    options: dict[str, Any] = {
        "joint_custom_pre_pass": StoreZeros(),
        "post_grad_custom_pre_pass": MergeDuplicates(),
    }
    if device.type == "cpu":
        options |= {"cpp_wrapper": True, "cpp.vec_isa_ok": True}
    return torch.compile(function, dynamic=False, fullgraph=True, options=options)


def find_compiler_problem(device: torch.device) -> str | None:
    """Why nothing can be compiled, in a few words; None when a small function was.

    A compiler that there is may still fail: one that is broken or too old, or a path with a space.
    """
    try:
        compiled(torch.sin, device)(torch.zeros(64, device=device))
    except Exception as error:  # of dynamo, of inductor, or of the compiler itself
        return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)[:120]
    return None


def use_own_cache() -> None:
    """Give inductor's cache a folder of this kind of CPU, below torch's default where its path needs quotes.

    Inductor's keys leave the CPU out (PyTorch 2.13): code for wider vectors, from a cache that CPUs share,
    would be run without a word on narrower ones, where it computes half of the numbers.
    """
    folder = os.environ.get(CACHE)
    if folder is None or not UNQUOTED.fullmatch(folder):
        folder = default_cache_dir()
    kind = kind_of_cpu()
    os.environ[CACHE] = folder if os.path.basename(folder) == kind else os.path.join(folder, kind)


def kind_of_cpu() -> str:
    """A folder's name for CPUs that run each other's code: -march=native means the same on them."""
    abilities = torch.cpu.get_capabilities()
    told = [f"{name}={abilities[name]}" for name in sorted(abilities) if type(abilities[name]) is not int]
    digest = hashlib.sha256(" ".join(told).encode()).hexdigest()
    return f"{torch.backends.cpu.get_cpu_capability().lower().replace(' ', '-')}-{digest[:8]}"
