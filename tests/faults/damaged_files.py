"""Damaged files of every kind that the artifact reads: each must end in one line, soon, in little memory.

    python -m tests.faults.damaged_files --cases 900 --record docs/faults.md

A case is a sound file with one damage; it is read in a process of its own, which shares the imports, has
LIMIT bytes of memory beyond those and SECONDS. What came of it is one of OUTCOMES. The damages of a seed are
always the same.
"""

import argparse
import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gtp.errors import UserError
from gtp.progress import say
from tests.faults.damage import damages_of
from tests.faults.kinds import KINDS, Kind, fingerprint
from tests.faults.record import write_part

LIMIT = 1 << 30
SECONDS = 30
LINE = 1000
"""Characters of the longest message, paths included."""
ACCEPTABLE = ("one line", "unchanged")
OUTCOMES = (*ACCEPTABLE, "changed", "traceback", "hang")
"""Refused in one line; accepted with the sound file's content, or another; a bug; no end, or killed."""


def in_a_process(call: Callable[[], str]) -> str:
    """What a call returns in a child process; "hang" when it takes too long or dies."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT, used + LIMIT))
        signal.alarm(SECONDS)  # kills the child
        with open(os.devnull, "w") as silence:
            os.dup2(silence.fileno(), sys.stdout.fileno())
            os.dup2(silence.fileno(), sys.stderr.fileno())
        os.write(writing, call().encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return answer or "hang"


def outcome_of(kind: Kind, path: Path, expected: str | None) -> str:
    """What came of reading a file, with the message after a newline; without `expected`, its digest."""
    try:
        digest = fingerprint(kind.read(path))
    except UserError as error:
        message = str(error)
        return f"{'traceback' if chr(10) in message or len(message) > LINE else 'one line'}\n{message}"
    except MemoryError:  # gtp.cli says it in one line
        return "one line\nout of memory"
    except BaseException:
        return f"traceback\n{traceback.format_exc()}"
    return digest if expected is None else "unchanged" if digest == expected else "changed"


def run(cases: int, seed: int, folder: Path, names: list[str] | None = None) -> list[tuple[str, str, str]]:
    """(kind, damage, outcome with its message) of every case, or of those of the kinds named."""
    found = []
    for number, kind in enumerate(KINDS):
        if names and kind.name not in names:
            continue
        sound = folder / f"sound-{number}"
        sound.mkdir()
        file = kind.write(sound).relative_to(sound)
        # Read in a copy, since reading may leave something beside the file.
        whole = shutil.copytree(sound, folder / f"copy-{number}") / file
        expected = in_a_process(partial(outcome_of, kind, whole, None))
        if len(expected) != 64:
            sys.exit(f"{kind.name} is refused though nothing is wrong with it: {expected}")
        damages = damages_of(kind.form, has_checksum=kind.has_checksum)
        share = cases * (number + 1) // len(KINDS) - cases * number // len(KINDS)
        for case in range(share):
            damage = damages[case % len(damages)]
            victim = shutil.copytree(sound, folder / "case") / file
            damage(victim, np.random.default_rng([seed, number, case]))
            answer = in_a_process(partial(outcome_of, kind, victim, expected))
            found.append((kind.name, damage.__name__, answer))
            if answer.split("\n")[0] not in ACCEPTABLE:
                say(f"{kind.name}, {damage.__name__}, case {case}: {answer}")
            shutil.rmtree(folder / "case")
        say(f"{kind.name}: {share} cases")
    return found


def summary_of(found: list[tuple[str, str, str]]) -> str:
    count = Counter(answer.split("\n")[0] for _, _, answer in found)
    return (
        f"{count['traceback']} tracebacks, {count['hang']} hangs, {count['changed']} accepted with a changed"
        f" result of {len(found)}"
    )


HEADING = "Damaged files"
RECORD = """Written by `python -m tests.faults.damaged_files` (seed {seed}, {seconds:.0f} s): **{summary}**.
Each case is a sound file with one damage, read in a process of its own with {megabytes} MB beyond its imports
and {limit} s. A damage is a flipped bit, a cut, another file's content, a link to itself, a field that is
missing or has an impossible value, a bomb of brackets or digits, a column that declares more than it holds or
lies in another file, and the like ([tests/faults/damage.py](../tests/faults/damage.py)).

Files with a checksum are tried with any flipped bit. YAML, results, `study.json`, `run.json` and data without
a card have none: one digit for another there is another sound file, which nothing can tell, so they are
tried with what can be told.

| kind | cases | refused in one line | same content | other content | tracebacks | hangs |
|---|---|---|---|---|---|---|
"""


def record_of(found: list[tuple[str, str, str]], seed: int, seconds: float) -> str:
    """What docs/faults.md says: the kinds and their outcomes."""
    numbers = {"seed": seed, "seconds": seconds, "megabytes": LIMIT >> 20, "limit": SECONDS}
    text = RECORD.format(summary=summary_of(found), **numbers)
    for kind in KINDS:
        own = [answer.split("\n")[0] for name, _, answer in found if name == kind.name]
        counts = " | ".join(str(own.count(outcome)) for outcome in OUTCOMES)
        text += f"| {kind.name} | {len(own)} | {counts} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", nargs="*", help="names of kinds; by default all")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        found = run(options.cases, options.seed, Path(folder), options.kind)
    if options.record:
        write_part(options.record, HEADING, record_of(found, options.seed, time.monotonic() - started))
    print(summary_of(found))
    sys.exit(any(answer.split("\n")[0] not in ACCEPTABLE for _, _, answer in found))


if __name__ == "__main__":
    main()
