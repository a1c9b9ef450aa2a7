"""100 kills: SIGKILL of a whole process group at random moments, then the same command until it ends.

    python -m tests.faults.kills --record docs/faults.md

Each case first runs undisturbed. Then it runs in chains: it is killed, the same command is given again and
may be killed again, until it ends by itself; every file must then be as the undisturbed run left it, but for
what reads a clock (`comparable`), and there must be neither more files nor processes. Moments are drawn over
the whole life of the process (`Moment`). What is done is kept in the working folder, so that a call that was
cut off goes on.
"""

import argparse
import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np

# All that the verbs import, so that forked processes need not.
import gtp.cli.checks
import gtp.cli.main
import gtp.cli.online
import gtp.cli.record
import gtp.cli.train
import gtp.data.prepare
import gtp.data.sources.generate
import gtp.evaluation.cost
import gtp.evaluation.rollouts
import gtp.evaluation.trajectories
import gtp.online.loop
from gtp.files import sha256_of
from gtp.progress import say
from tests.faults.kill_cases import CASES, STRAIGHT, Case
from tests.faults.kill_record import Chain, Moment, Record, Straight, summary_of, text_of
from tests.faults.record import write_part
from tests.faults.witness import environment, watch
from tests.workflow.conftest import copy_checkout

ROOT = Path(__file__).parents[2]
HEADING = "Killed processes"
AT_A_WRITE = 0.6
"""Share of the kills at an act on a file; the others are at any time."""
LONGEST_DELAY = 0.005
"""Seconds after an act on a file: what it began is then under way, or just done."""
PATIENCE = 900.0
"""Seconds without an end, beside 20 times those of the undisturbed run, that count as a hang."""
CLOCKS = {
    *("seconds", "training_seconds", "compilation_seconds", "seed_updates_per_second"),
    *("updates_per_second", "peak_memory_mb", "resumed_at", "seconds_per_action"),
}
"""Entries of run.json and quantities of tables that a second undisturbed run has otherwise too."""
UNCOMPARED = (".git", ".snakemake", ".cache", ".inductor", "logs", "benchmarks", "MUJOCO_LOG.TXT")
"""What a run says of itself; no result is read from it."""
TIMED_TABLES = ("paper_tables/smoke/cost.", "paper_tables/smoke/claims.")
"""How the names of those begin that print times; the names alone are compared."""


def draw(rng: np.random.Generator, straight: Straight) -> Moment:
    """A moment of the life of a process: at an act on a file, exactly or a little later, or at any time."""
    if straight.acts and rng.random() < AT_A_WRITE:
        exactly = rng.random() < 0.5
        delay = 0.0 if exactly else float(rng.uniform(0, LONGEST_DELAY))
        return Moment(int(rng.integers(1, straight.acts + 1)), delay)
    return Moment(0, float(rng.uniform(0, straight.seconds)))


def comparable(path: Path) -> bytes:
    """What of a file must be the same: all but measurements of time and memory, and the step of a resume."""
    if path.name == "run.json":
        record = json.loads(path.read_text())
        return json.dumps({key: value for key, value in record.items() if key not in CLOCKS}).encode()
    if path.name in ("training.csv", "cost.csv"):
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        return json.dumps([row for row in rows if row.get("quantity") not in CLOCKS]).encode()
    return path.read_bytes()


def contents(folder: Path) -> dict[str, str]:
    """Relative path -> digest of every file below a folder; locks and halves of files are files too.

    What a copy of the repository began with is left out, so that an edited page of docs/ is no fault.
    """
    tracked: set[str] = set()
    if (folder / ".git").exists():
        command = ["git", "-C", str(folder), "ls-files", "-z"]
        tracked = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0"))
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in tracked and name.split("/")[0] not in UNCOMPARED:
            content = b"" if name.startswith(TIMED_TABLES) else comparable(path)
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def difference(expected: dict[str, str], found: dict[str, str]) -> str | None:
    """How files of a run differ from the undisturbed one's, in a few words; None when they don't."""
    for words, names in (
        ("is left over", found.keys() - expected.keys()),
        ("is missing", expected.keys() - found.keys()),
        (
            "has other bytes",
            {name for name in expected.keys() & found.keys() if expected[name] != found[name]},
        ),
    ):
        if names:
            return f"{min(names)} {words}" + (f", and {len(names) - 1} more" if len(names) > 1 else "")
    return None


def start(case: Case, work: Path, folder: Path, variables: dict[str, str]) -> int:
    """Start a case in a folder, in a session of its own; the number of its process."""
    words = case.words(work)
    variables = {**variables, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    program = None
    if case.workflow or case.fresh:
        code = folder if case.workflow else ROOT
        program = [sys.executable, "-m", "snakemake" if case.workflow else "gtp", *words]
        variables |= {
            "PYTHONPATH": os.pathsep.join([str(code), str(code / "tests/faults/on_start")]),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / ".inductor"),
        }
    child = os.fork()
    if child == 0:
        become(program, words, folder, variables)
    return child


def become(program: list[str] | None, words: list[str], folder: Path, variables: dict[str, str]) -> None:
    """What a forked process does: it is `program`, or else `gtp <words>`, in a folder; it does not return."""
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(variables)
        with open(log_of(folder), "wb") as output, open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        if program:
            os.execv(program[0], program)
        sys.argv = ["gtp", *words]
        watch()
        try:
            gtp.cli.main.main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else bool(error.code)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def log_of(folder: Path) -> Path:
    """Where the last call of a case in a folder said what it said."""
    return folder.with_name(f"{folder.name}.log")


def run(case: Case, work: Path, folder: Path, moment: Moment | None, patience: float) -> tuple[int, int]:
    """Exit status of one call of a case (-9: killed at its moment) and the acts on files that were counted.

    Raises TimeoutError when it does not end.
    """
    count = folder.with_name(f"{folder.name}.count")
    count.write_bytes(b"")
    at = moment.act if moment else 0
    began = time.monotonic()
    child = start(case, work, folder, environment(folder, count, at, moment.seconds if at else 0.0))
    until = began + moment.seconds if moment and not moment.act else None
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        now = time.monotonic()
        if until is not None and now >= until:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            until = None
        if now - began > patience:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise TimeoutError(f"no end after {now - began:.0f} s")
        time.sleep(0.001 if until is not None and until - now < 0.1 else 0.01)
    status = os.waitstatus_to_exitcode(ended[1])
    return status, count.stat().st_size


def survivors(folder: Path) -> list[int]:
    """Processes that work in a folder, or below it."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "cwd").resolve(strict=True).is_relative_to(folder):
                found.append(int(process.name))
    return found


def last_line(folder: Path) -> str:
    log = log_of(folder).read_text(errors="replace").split("\n")
    return next((line for line in reversed(log) if line.strip()), "nothing was said")[:300]


def free_lock(folder: Path) -> str | None:
    """Do what snakemake's message says of a lock that a kill left; None, or why it says something else."""
    log = log_of(folder).read_text(errors="replace")
    if "remaining lock was likely caused by a kill signal" not in log or "--unlock" not in log:
        return last_line(folder)
    command = [sys.executable, "-m", "snakemake", "--unlock"]
    paths = {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env={**os.environ, **paths}, capture_output=True, text=True)
    return None if done.returncode == 0 else f"--unlock failed: {done.stdout[-200:]}"


def lay_out(case: Case, folder: Path) -> None:
    """Make the folder of a run anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if case.workflow:
        copy_checkout(folder)
    else:
        folder.mkdir()


def run_straight(case: Case, work: Path) -> Straight:
    """The undisturbed run. Raises RuntimeError when it fails."""
    folder = work / STRAIGHT / case.name
    lay_out(case, folder)
    began = time.monotonic()
    status, acts = run(case, work, folder, None, 10 * PATIENCE)
    if status:
        raise RuntimeError(f"{case.name} fails undisturbed: {last_line(folder)}")
    return Straight(contents(folder), time.monotonic() - began, acts)


def run_chain(case: Case, work: Path, straight: Straight, rng: np.random.Generator, most: int) -> Chain:
    """Kill a run up to `most` times, let it end, and compare it with the undisturbed one."""
    folder = work / "chain" / case.name
    lay_out(case, folder)
    kills: list[Moment] = []
    patience = PATIENCE + 20 * straight.seconds
    problem = None
    while problem is None:
        moment = draw(rng, straight) if len(kills) < most else None
        try:
            status, _ = run(case, work, folder, moment, patience)
        except TimeoutError as error:
            problem = str(error)
            break
        if status == -signal.SIGKILL and moment:
            kills.append(moment)
            deadline = time.monotonic() + 60
            while left := survivors(folder):
                if time.monotonic() > deadline:
                    problem = f"{len(left)} processes outlive the kill"
                    break
                time.sleep(0.05)
        elif status == 0:
            problem = difference(straight.files, contents(folder))
            break
        elif case.workflow:
            problem = free_lock(folder)
        else:
            problem = f"refused: {last_line(folder)}"
    return Chain(case.name, kills, problem)


def key_of(seed: int) -> str:
    """Seed, and a digest of what is killed: code, configuration and cases."""
    files = [
        path
        for folder in ("gtp", "workflow", "config")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".smk", ".yaml") or path.name == "Snakefile"
    ]
    own = [Path(__file__).with_name(name) for name in ("kill_cases.py", "witness.py")]
    return f"{seed} {sha256_of(*files, *own)}"


def complete(case: Case, work: Path, record: Record, seed: int, share: float) -> None:
    """Complete the kills of a case."""
    if case.name not in record.straight or not (work / STRAIGHT / case.name).exists():
        record.add_straight(case, run_straight(case, work))
    wanted = max(1, round(share * case.kills))
    while (missing := wanted - record.kills(case)) > 0:
        rng = np.random.default_rng([seed, CASES.index(case), len(record.of(case))])
        chain = run_chain(case, work, record.straight[case.name], rng, missing)
        record.add_chain(chain)
        moments = ", ".join(f"act {m.act}" if m.act else f"{m.seconds:.1f} s" for m in chain.kills)
        say(f"{case.name}: killed at {moments or 'no moment'}: {chain.problem or 'the same bytes'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the kills of each case, at least one")
    parser.add_argument("--case", nargs="*", help="names of cases; by default all")
    parser.add_argument("--work", type=Path, default=Path(".cache/kills"))
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    work = options.work.resolve()
    record = Record(work / "record.jsonl", key_of(options.seed))
    for case in CASES:
        if options.case is None or case.name in options.case:
            complete(case, work, record, options.seed, options.share)
    good, total = summary_of(record)
    if options.record:
        write_part(options.record, HEADING, text_of(record, options.seed))
    print(f"{good} of {total}")
    sys.exit(good != total)


if __name__ == "__main__":
    main()
