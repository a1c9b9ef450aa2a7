"""Compiling an update, and whether that works here: tried on a line of code before a run counts on it."""

import os
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor

from gtp.training.duplicates import MergeDuplicates

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
    kernel takes the compiler seconds for torch's headers.
    """
    options: dict[str, str | int | bool | Callable] = {"post_grad_custom_pre_pass": MergeDuplicates()}
    if device.type == "cpu":
        options["cpp_wrapper"] = True
    return torch.compile(function, dynamic=False, fullgraph=True, options=options)


def find_compiler_problem(device: torch.device) -> str | None:
    """Why nothing can be compiled, in a few words; None when a small function was.

    A compiler that there is may still fail: one that is broken or too old, or a path with a space.
    """
    use_safe_cache()
    try:
        compiled(torch.sin, device)(torch.zeros(3, device=device))
    except Exception as error:  # of dynamo, of inductor, or of the compiler itself
        return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)[:120]
    return None


def use_safe_cache() -> None:
    """Leave inductor's cache to torch's default, below the temporary folder, where its path needs quotes."""
    if not UNQUOTED.fullmatch(os.environ.get("TORCHINDUCTOR_CACHE_DIR", "default")):
        del os.environ["TORCHINDUCTOR_CACHE_DIR"]
