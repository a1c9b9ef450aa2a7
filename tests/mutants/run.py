"""Break the sources one small change at a time; a test must fail each time.

    python -m tests.mutants.run --size 300 --record docs/mutants.md

A mutant is one change of an operator (tests.mutants.operators, and cosmic-ray's) in one place of a file that
pyproject.toml lists with its tests. A survivor is a hole in these, unless it is equivalent: equivalent.toml
lists those, each with its reason. The mutants of a seed are the same as long as the files are.
"""

import argparse
import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.mutants import trial
from tests.mutants.population import ROOT, Mutant, mutants_of, sample
from tests.mutants.record import record_of
from tests.mutants.trial import Verdict

PATIENCE = 4
"""A trial may take this many times as long as the same tests without a mutant."""


def read_map() -> dict[str, list[str]]:
    """Source file -> the tests that must notice its mutants, as pytest is told them."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutants"]
    return {file: [f"tests/unit/{test}" for test in tests] for file, tests in listed.items()}


def try_all(
    mutants: list[Mutant], tests: dict[str, list[str]], known: dict[str, Verdict], log: Path, times: Path
) -> dict[str, Verdict]:
    """The verdict of every mutant by its key; those that are `known` and died are not tried again.

    Raises RuntimeError when tests fail without any mutant.
    """
    limits: dict[Sequence[str], int] = {}
    verdicts = {}
    for number, mutant in enumerate(mutants, start=1):
        verdict = known.get(mutant.key)
        if verdict is None or verdict.outcome == "survived":
            own = tuple(tests[mutant.file])
            if own not in limits:
                limits[own] = limit_of(own, known, log, times)
            verdict = trial.run(mutant, own, limits[own], log, times)
            if verdict.outcome == "survived":
                before, after = mutant.difference
                say(f"{mutant.file}:{mutant.line}: {before}  ->  {after}")
        verdicts[mutant.key] = known[mutant.key] = verdict
        if number % 10 == 0 or number == len(mutants):
            alive = sum(each.outcome == "survived" for each in verdicts.values())
            say(f"{number}/{len(mutants)} mutants, {alive} survived")
    return verdicts


def limit_of(tests: Sequence[str], known: dict[str, Verdict], log: Path, times: Path) -> int:
    """Seconds of the processor that a trial of these tests may take. What each takes is left in `times`."""
    seconds = 0.0
    for test in tests:
        content = (ROOT / test.partition("::")[0]).read_bytes()
        key = sha256(test.encode() + content).hexdigest()[:16]
        verdict = known.get(key) or trial.run(None, [test], 3600, log, times)
        if verdict.outcome != "survived":
            raise RuntimeError(f"{verdict.killer or test} fails without a mutant\n{log.read_text()}")
        known[key] = verdict
        seconds += verdict.seconds
    return 20 + round(PATIENCE * seconds)


class Journal(dict):
    """Verdicts by the mutants' keys, kept in a file as they come, so that a run may be cut off and go on."""

    def __init__(self, path: Path | None):
        super().__init__()
        self.path = path
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                key, *verdict = json.loads(line)
                super().__setitem__(key, Verdict(*verdict))

    def __setitem__(self, key: str, verdict: Verdict) -> None:
        if self.path is not None and self.get(key) != verdict:
            with self.path.open("a", encoding="utf-8") as file:
                print(json.dumps([key, verdict.outcome, verdict.seconds, verdict.killer]), file=file)
        super().__setitem__(key, verdict)


def say(line: str) -> None:
    """One line to stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300, help="how many mutants; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", nargs="*", help="only those whose path holds one of these words")
    parser.add_argument("--journal", type=Path, help="go on from the verdicts in this file")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    tests = read_map()
    words = options.files or [""]
    population = {file: mutants_of(file) for file in tests if any(word in file for word in words)}
    mutants = sample(population, options.size or sum(map(len, population.values())), options.seed)
    trial.import_libraries()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        times = (options.journal or Path(folder) / "journal").with_suffix(".seconds.json")
        verdicts = try_all(mutants, tests, Journal(options.journal), Path(folder) / "log", times)
    say(f"took {time.monotonic() - started:.0f} s")
    sizes = {file: len(own) for file, own in population.items()}
    text, summary, is_enough = record_of(mutants, verdicts, sizes, options.seed)
    if options.record:
        from gtp.files import write_text  # not before: no trial may find the package imported

        write_text(options.record, text)
    print(summary)
    sys.exit(not is_enough)


if __name__ == "__main__":
    main()
