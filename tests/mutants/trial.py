"""Run tests against a mutant, in a fork of a process that has imported the libraries already.

Torch takes longer to import than most tests to fail. The mutant is in that process's memory alone: no file
changes, whatever happens. Programs that a test starts run the original, therefore.
"""

import gc
import importlib
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from tests.mutants.order import QuickestFirst
from tests.mutants.population import ROOT, Mutant

LIBRARIES = (
    "filelock",
    "gymnasium_robotics",
    "h5py",
    "huggingface_hub.hf_api",
    "hypothesis.strategies",
    "matplotlib.figure",
    "minari",
    "mujoco",
    "pandas",
    "safetensors.torch",
    "scipy.stats",
    "stable_baselines3",
    "torch._dynamo",
    "torch._inductor.compile_fx",
    "tomllib",
    "torch.func",
    "tyro",
)
LEFT_OUT = "not gpu and not network and not slow and not unmutated"
MEMORY = 6 << 30
"""Bytes of a trial's address space beyond that of the imports: a wrong exponent may ask for anything."""
PASSED, FAILED, NO_TESTS, UNUSED = 0, 1, 5, 100
"""Exit codes: of pytest, whose others stand for errors on the way to the tests, and of our own."""
IDLE = 300
"""Seconds that a trial may sleep without a break. To wait for the processor is no mistake of its mutant."""


@dataclass(frozen=True)
class Verdict:
    """What came of one trial."""

    outcome: str
    """survived, killed, or hung: a limit of time was reached, which counts as killed."""
    seconds: float
    """Of the processor."""
    killer: str = ""
    """The test that failed."""


class Substitute(SourceFileLoader, MetaPathFinder):
    """Gives one module another text than its file's."""

    def __init__(self, mutant: Mutant):
        module = ".".join(Path(mutant.file).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(module, str(ROOT / mutant.file))
        self.text = mutant.source
        self.used = False

    def find_spec(self, name, path=None, target=None):
        return (
            importlib.util.spec_from_file_location(name, self.path, loader=self)
            if name == self.name
            else None
        )

    def get_code(self, fullname):
        self.used = True
        return compile(self.text, self.path, "exec")


def import_libraries() -> None:
    """What trials share. The package itself is left to them, since one of its modules is another in each."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # children need not look at all this again


def run(mutant: Mutant | None, tests: Sequence[str], limit: int, log: Path, times: Path) -> Verdict:
    """Run pytest until the first failure on `tests`, with the mutant in its module's place.

    `limit` are seconds of the processor. What pytest prints goes to `log`; `times` holds what the tests take,
    as a run without a mutant leaves it there. Raises RuntimeError when there are no tests, or they pass
    without an import of the module.
    """
    child = os.fork()
    if child == 0:
        _run_and_exit(mutant, tests, limit, log, times)
    status, usage = _wait(child)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests started
    seconds = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status):
        hung = os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXCPU)
        return Verdict("hung" if hung else "killed", seconds)
    code = os.WEXITSTATUS(status)
    if code == NO_TESTS:
        raise RuntimeError(f"there are no tests in {' '.join(tests)}")
    if code == UNUSED:
        raise RuntimeError(f"{' '.join(tests)} do not import {mutant.file}")
    if code == PASSED:
        return Verdict("survived", seconds)
    return Verdict("killed", seconds, _killer(log))


def _run_and_exit(mutant: Mutant | None, tests: Sequence[str], limit: int, log: Path, times: Path) -> None:
    """The life of the child."""
    os.setsid()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    with log.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    code = FAILED
    try:
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        finder = None if mutant is None else Substitute(mutant)
        if finder is not None:
            sys.meta_path.insert(0, finder)
        options = ["-m", LEFT_OUT, "-x", "-q", "-rfE", "--tb=no", "--assert=plain", "-p", "no:cacheprovider"]
        order = QuickestFirst(times, measures=mutant is None)
        code = int(pytest.main([*options, *tests], plugins=[order]))
        if code == PASSED and finder is not None and not finder.used:
            code = UNUSED
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait(child: int):
    """Exit status and use of the processor of a child, which is killed when it sleeps for too long."""
    awake = time.monotonic()
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage
        state = Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0]
        if state not in "SD":  # running, waiting for the processor, or stopped from outside
            awake = time.monotonic()
        elif time.monotonic() - awake > IDLE:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            return status, usage
        time.sleep(0.02)


def _killer(log: Path) -> str:
    """The test that pytest names as failed; of a mutant that cannot be imported, nothing."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" ", 1)[1].split(" - ")[0].removeprefix("tests/unit/")
    return ""
