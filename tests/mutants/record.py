"""What docs/mutants.md says of a run: the share of mutants that died, file by file, and every other one."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from tests.mutants.population import Mutant
from tests.mutants.trial import Verdict

NEEDED = 0.95
"""Of the mutants that are not equivalent, the share that must die."""


@dataclass(frozen=True)
class Reasons:
    """Why some mutants need not die, from equivalent.toml."""

    by_change: dict[tuple[str, str, str], str]
    """(file, lines before, lines after) -> the reason; each on one line, so that it follows its code."""

    @classmethod
    def read(cls) -> "Reasons":
        text = Path(__file__).with_name("equivalent.toml").read_text(encoding="utf-8")
        listed = tomllib.loads(text)["mutant"]
        return cls({(each["file"], each["before"], each["after"]): each["reason"] for each in listed})

    def of(self, mutant: Mutant) -> str | None:
        """The reason of a mutant; None when it has to die."""
        return self.by_change.get((mutant.file, *mutant.difference))


HEAD = """# Tests that can fail

Written by `make mutants` ({what}, seed {seed}): **{summary}**.

A mutant is the source with one small change: an operator, a number, a condition, or a method call, a keyword
argument or a statement that is gone ([tests/mutants/operators.py](../tests/mutants/operators.py), and
cosmic-ray's). For each one, the tests that `pyproject.toml` lists beside its file run until one fails, in a
fork of one process; if none does, a mistake like it could be made tomorrow and nobody would see. Hung mutants
reached a limit of time, which counts as death. The share is of those that are not equivalent, the interval is
that of Clopper and Pearson, 95 %. Once its survivors were answered by tests, a sample tells nothing of the
other mutants any more: take another seed. {listed}

| file | mutants | tried | died | hung | equivalent | survived |
|---|---|---|---|---|---|---|
"""


def record_of(
    mutants: list[Mutant], verdicts: dict[str, Verdict], population: dict[str, int], seed: int
) -> tuple[str, str, bool]:
    """The page, its summary, and whether enough died. `population` counts the mutants of each file."""
    reasons = Reasons.read()
    alive = [mutant for mutant in mutants if verdicts[mutant.key].outcome == "survived"]
    equivalent = [mutant for mutant in alive if reasons.of(mutant) is not None]
    survivors = [mutant for mutant in alive if reasons.of(mutant) is None]
    dead, count = len(mutants) - len(alive), len(mutants) - len(equivalent)
    interval = binomtest(dead, count).proportion_ci(method="exact")
    summary = (
        f"{dead} of {count} mutants that are not equivalent died: {100 * dead / count:.1f} %"
        f" ({100 * interval.low:.1f} to {100 * interval.high:.1f} %)"
    )
    total = sum(population.values())
    what = "all mutants" if len(mutants) > 0.99 * total else f"a random sample of {total} mutants"
    listed = "What did not die is below." if alive else "None was left over."
    text = HEAD.format(what=what, seed=seed, summary=summary, listed=listed)
    for file, size in population.items():
        own = [mutant for mutant in mutants if mutant.file == file]
        outcomes = [verdicts[mutant.key].outcome for mutant in own]
        numbers = [size, len(own), outcomes.count("killed"), outcomes.count("hung")]
        numbers += [sum(each.file == file for each in side) for side in (equivalent, survivors)]
        text += f"| `{file}` | {' | '.join(map(str, numbers))} |\n"
    numbers = [total, len(mutants), dead - sum(each.outcome == "hung" for each in verdicts.values())]
    numbers += [dead - numbers[-1], len(equivalent), len(survivors)]
    text += f"| all | {' | '.join(map(str, numbers))} |\n"
    for title, side in (("Survivors", survivors), ("Equivalent", equivalent)):
        if side:
            text += f"\n## {title}\n\n"
        for mutant in sorted(side, key=lambda each: (each.file, each.line)):
            before, after = mutant.difference
            reason = f" {reasons.of(mutant)}" if side is equivalent else ""
            text += f"- `{mutant.file}`: `{before}` became `{after}`.{reason}\n"
    return text, summary, dead >= NEEDED * count
