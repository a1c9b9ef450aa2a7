"""A copy of the repository in a temporary folder, and the snakemake command in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Checkout:
    """A copy of the repository in which tests may run the workflow and edit files."""

    def __init__(self, folder: Path):
        self.folder = folder

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run snakemake and return its outcome, with everything it printed in `stdout`."""
        return self.run(sys.executable, "-m", "snakemake", *arguments)

    def run(self, *command: str) -> subprocess.CompletedProcess:
        outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(command, cwd=self.folder, env=self.environment(), **outputs)

    def environment(self) -> dict[str, str]:
        """The variables of a command in here."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # PYTHONPATH: an installed gtp is the original's.
        return {**os.environ, "PATH": path, "PYTHONPATH": "."}

    @contextmanager
    def holding(self, path: str, content: bytes, *, unnoticed: bool = False) -> Iterator[None]:
        """Let a file hold something else for a while; with `unnoticed` its time says that nothing changed."""
        file = self.folder / path
        before, times = file.read_bytes(), file.stat()
        try:
            file.write_bytes(content)
            if unnoticed:
                os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            yield
        finally:
            file.write_bytes(before)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def edited(self, path: str, old: str, new: str) -> AbstractContextManager[None]:
        """Let `new` stand in a file for a while in place of the one occurrence of `old`."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{path} contains {text.count(old)} times {old!r}"
        return self.holding(path, text.replace(old, new).encode())

    def extended(self, path: str, text: str) -> AbstractContextManager[None]:
        """Let a file end with `text` for a while."""
        return self.holding(path, (self.folder / path).read_bytes() + text.encode())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


def copy_checkout(folder: Path) -> Checkout:
    """What git would commit of the working tree, in `folder` as a git repository of its own."""
    folder.mkdir(exist_ok=True)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    copy = Checkout(folder)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for step in (
        ["init", "--quiet"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--message", "copy"],
    ):
        assert copy.run("git", *step).returncode == 0
    return copy
