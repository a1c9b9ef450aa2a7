"""Two contestants, timed in turn: no one works while another is timed."""

import statistics
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class ContestError(Exception):
    """A contestant ended or answered nonsense. The message is one line."""


class Contestant:
    """A process that makes so many updates as it is told on stdin and answers with their seconds.

    Its first line says how it runs; it waits for a line whenever it is not working. What it says on stderr
    goes to `log`. A context manager, which ends it.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path):
        self.name, self.log = name, log
        with log.open("w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):  # it ended before it read what it was told
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def introduce(self) -> str:
        """How it runs, once it is built and warm. Raises ContestError when it ends before."""
        return self._answer()

    def time(self, updates: int) -> float:
        """The seconds of so many updates. Raises ContestError when it ends or answers something else."""
        try:
            self.process.stdin.write(f"{updates}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        answer = self._answer()
        try:
            seconds = float(answer)
        except ValueError:
            seconds = 0.0
        if not 0.0 < seconds < float("inf"):
            raise ContestError(f"{self.name} answered {answer!r} where seconds were due")
        return seconds

    def _answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise self._death()
        return line.strip()

    def _death(self) -> ContestError:
        code = self.process.wait()
        said = [line.strip() for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        errors = [line for line in said if line and "Error" in line.partition(":")[0]] or said
        last = next((line for line in reversed(errors) if line), "it said nothing")
        return ContestError(f"{self.name} ended with status {code}: {last} (all of it: {self.log})")


@dataclass(frozen=True)
class Result:
    """Updates per second of both sides in each round; round i of one lies beside round i of the other."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def medians(self) -> tuple[float, float]:
        """Ours and theirs."""
        return statistics.median(self.ours), statistics.median(self.theirs)

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Ours to theirs within a round: the median over the rounds, the smallest and the largest."""
        ratios = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def updates_within(contestant: Contestant, seconds: float) -> int:
    """How many updates take about `seconds`: from the first of 1, 2, 4, ... that take a quarter of it."""
    updates = 1
    while (took := contestant.time(updates)) < seconds / 4:
        updates *= 2
    return max(1, round(updates * seconds / took))


def play(ours: Contestant, theirs: Contestant, rounds: int, seconds: float) -> Result:
    """Rounds of about `seconds` for each side, in turn: ours, theirs, ours, theirs, ..."""
    sides = (ours, theirs)
    updates = [updates_within(side, seconds) for side in sides]
    pairs = list(zip(sides, updates, strict=True))
    rates = [[count / side.time(count) for side, count in pairs] for _ in range(rounds)]
    return Result(*zip(*rates, strict=True))
