"""Time the training of our methods beside their authors' code, which the user fetches.

    python -m tests.peers.run --threads 1 --record docs/bench-peers.md

Each side is a process of its own that builds its agent once, warms up, and then trains when it is told to.
Rounds of both alternate. An update is one of the critic and the actor, with the averages of both.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from gtp.errors import ending_in_one_line
from gtp.files import require_files, write_text
from gtp.progress import say
from tests.peers.contest import Contestant, ContestError, play
from tests.peers.roster import PEERS, SIZES, Peer
from tests.peers.table import Row, notes_of, page_of, table_of

ROOT = Path(__file__).parents[2]
CONTESTANTS = Path(__file__).with_name("contestants")
LOGS = ROOT / "benchmarks/peers"


def command_of(module: str, python: str, code: Path, **settings: Any) -> list[str]:
    """The command that starts a contestant, whose `code` lies in a folder."""
    return [python, str(CONTESTANTS), module, json.dumps(settings | {"code": str(code.resolve())})]


def contest(peer: Peer, peers: Path, python: str, options: argparse.Namespace) -> Row:
    """Our method beside its authors' code. Raises ContestError when one of them ends."""
    LOGS.mkdir(parents=True, exist_ok=True)
    clone = peers / peer.name
    fields = {"method": peer.name, "hyperparameters": peer.hyperparameters, "threads": options.threads}
    own = command_of("ours", sys.executable, ROOT, **SIZES, **fields)
    other = command_of(peer.name, python, clone, **SIZES, **fields)
    with Contestant(f"our {peer.name}", own, LOGS / f"{peer.name}-ours.log") as ours:
        how = ours.introduce()
        with Contestant(f"their {peer.name}", other, LOGS / f"{peer.name}-theirs.log") as theirs:
            how = how + commit_of(ROOT), theirs.introduce() + commit_of(clone)
            say(f"{peer.name}: both are warm")
            return Row(peer, play(ours, theirs, options.rounds, options.seconds), *how)


def commit_of(folder: Path) -> str:
    """`, commit 1234567` where the folder itself is a checkout."""
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return f", commit {process.stdout.strip()}" if process.returncode == 0 else ""


def read_options(words: list[str] | None = None) -> argparse.Namespace:
    """The command line; `python` becomes a dictionary. Wrong values end the program as argparse does."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.peers.run",
        description=__doc__.splitlines()[0],
        epilog="Without --python, code in JAX runs in PEERS/venv/bin/python, and code in PyTorch in the"
        " Python of this command. What is missing is said with the commands that fetch it.",
    )
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="the folder of the clones")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these alone", metavar="NAME")
    add_timing(parser)
    parser.add_argument(
        "--python", action="append", default=[], metavar="NAME=PATH", help="the interpreter of one of them"
    )
    options = parser.parse_args(words)
    options.python = dict(pair.partition("=")[::2] for pair in options.python)
    if not set(options.python) <= set(names) or not all(options.python.values()):
        parser.error(f"--python takes NAME=PATH with a name of {', '.join(names)}")
    check_timing(parser, options)
    return options


def add_timing(parser: argparse.ArgumentParser) -> None:
    """The flags of every contest."""
    parser.add_argument("--threads", type=int, default=1, help="CPUs and threads of each contestant")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round of one side")
    parser.add_argument("--record", type=Path, help="write the table there, in Markdown")


def check_timing(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program, as argparse does, where a value of these flags is wrong."""
    if not 1 <= options.threads <= available_cpus():
        parser.error(f"--threads must lie between 1 and {available_cpus()}, got {options.threads}")
    if options.rounds < 1 or not 0.0 < options.seconds < float("inf"):
        parser.error("--rounds must be at least 1, and --seconds finite and positive")


def available_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(options: argparse.Namespace) -> int:
    """The contests of what is there; the exit status: 0 unless nothing is there or a contestant ended."""
    rows, missing, ended = [], [], []
    for peer in (peer for peer in PEERS if peer.name in options.only):
        python = peer.python(options.peers, sys.executable, options.python)
        if absent := peer.missing(options.peers, python):
            missing.append(absent)
            continue
        say(f"{peer.name}: building, compiling")
        try:
            rows.append(contest(peer, options.peers, python, options))
        except ContestError as error:
            ended.append(str(error))
    if rows:
        print(table_of(rows) + "\n" + notes_of(rows), end="")
    if rows and options.record:
        command = shlex.join(["python", "-m", "tests.peers.run", *sys.argv[1:]])
        settings = {name: getattr(options, name) for name in ("threads", "rounds", "seconds")}
        write_text(options.record, page_of(rows, command=command, **settings))
    for line in missing + ended:
        say(line)
    return int(bool(ended) or not rows)


def main() -> None:
    options = read_options()
    with ending_in_one_line():
        require_files(options.record)
        sys.exit(run(options))


if __name__ == "__main__":
    main()
