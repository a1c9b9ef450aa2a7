"""What is known of the kills: in memory, in a file that later calls read, and as text for docs/faults.md."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.kill_cases import CASES, Case


@dataclass(frozen=True)
class Moment:
    """When a process group is killed."""

    act: int
    """Number of the act on a file (tests/faults/witness.py); 0: by the clock."""
    seconds: float
    """After the act, or after the start."""


@dataclass(frozen=True)
class Straight:
    """An undisturbed run."""

    files: dict[str, str]
    """Relative path -> digest of what is compared."""
    seconds: float
    acts: int


@dataclass(frozen=True)
class Chain:
    """Kills of one run, and what came of it."""

    case: str
    kills: list[Moment]
    problem: str | None
    """None: the undisturbed run's files. Otherwise what differs, in one line."""


class Record:
    """What is done, in a file of JSON lines of which each is written when it is known."""

    def __init__(self, path: Path, key: str):
        self.path = path
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        if not lines or lines[0] != {"key": key}:
            lines = [{"key": key}]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(lines[0]) + "\n")
        self.straight = {line["case"]: Straight(**line["straight"]) for line in lines if "straight" in line}
        self.chains = [
            Chain(line["case"], [Moment(**kill) for kill in line["kills"]], line["problem"])
            for line in lines
            if "kills" in line
        ]

    def add(self, line: dict) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")

    def add_straight(self, case: Case, straight: Straight) -> None:
        self.straight[case.name] = straight
        self.add({"case": case.name, "straight": asdict(straight)})

    def add_chain(self, chain: Chain) -> None:
        self.chains.append(chain)
        self.add(asdict(chain))

    def of(self, case: Case) -> list[Chain]:
        return [chain for chain in self.chains if chain.case == case.name]

    def kills(self, case: Case) -> int:
        return sum(len(chain.kills) for chain in self.of(case))


TEXT = """Written by `python -m tests.faults.kills` (seed {seed}): **{good} of {total}** kills were mended by
the same command. A kill is SIGKILL of a whole process group. The same command follows, and may be killed
again, until a run ends by itself. It must then have left the files of an undisturbed run, no more and no
fewer, with the same bytes, but for what reads a clock (times, rates and memory in `run.json`, `training.csv`,
`cost.csv` and the tables of costs and claims; logs), and no process.

{at_write} of the kills came at an act on a file, that is an opening, renaming or removing, exactly or up to 5
ms later, and {by_clock} at a moment drawn from the whole life of the process. Processes are forked from one
that has imported the package, so that no kill is spent on imports; compiled training and the workflow, which
is the smoke study on one task up to its tables and a figure, start from nothing
([tests/faults/kill_cases.py](../tests/faults/kill_cases.py)).

Nothing is to be known or cleared away after a kill, with one exception: Snakemake leaves its lock and says so
when it is called again; `snakemake --unlock` and then the same command take the study up.

| kind | kills | runs | at an act on a file | by the clock | the same bytes |
|---|---|---|---|---|---|
"""


def summary_of(record: Record) -> tuple[int, int]:
    """Kills after which the same command ended in the same bytes, and all."""
    good = sum(len(chain.kills) for chain in record.chains if chain.problem is None)
    return good, sum(len(chain.kills) for chain in record.chains)


def text_of(record: Record, seed: int) -> str:
    """What docs/faults.md says of the kills."""
    good, total = summary_of(record)
    all_kills = [kill for chain in record.chains for kill in chain.kills]
    at_write = sum(kill.act > 0 for kill in all_kills)
    text = TEXT.format(seed=seed, good=good, total=total, at_write=at_write, by_clock=total - at_write)
    for kind in dict.fromkeys(case.kind for case in CASES):
        chains = [chain for case in CASES if case.kind == kind for chain in record.of(case) if chain.kills]
        kills = [kill for chain in chains for kill in chain.kills]
        acts = sum(kill.act > 0 for kill in kills)
        same = sum(len(chain.kills) for chain in chains if chain.problem is None)
        text += f"| {kind} | {len(kills)} | {len(chains)} | {acts} | {len(kills) - acts} | {same} |\n"
    return text
