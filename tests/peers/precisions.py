"""Time the training of our methods in bfloat16 beside float32, in one run.

    python -m tests.peers.precisions --record docs/bench-precision.md

Each side is a process of its own that builds its learner, compiles it and then trains when it is told to.
Rounds of both alternate. Needs a machine to itself, and a CPU that multiplies in bfloat16.
"""

import argparse
import datetime
import shlex
import sys
from contextlib import ExitStack

import torch

from gtp import algorithms
from gtp.errors import UserError, ending_in_one_line
from gtp.files import require_files, write_text
from gtp.progress import say
from gtp.studies.provenance import describe_cpus
from gtp.training.precision import require_precision
from tests.peers.contest import Contestant, ContestError, Result, play
from tests.peers.roster import SIZES
from tests.peers.run import LOGS, ROOT, add_timing, check_timing, command_of
from tests.peers.table import cells_of, line_of

PRECISIONS = ("bfloat16", "float32")
CASES = (
    {"hidden_size": 256, "batch_size": 256, "seeds": 1},
    {"hidden_size": 128, "batch_size": 128, "seeds": 3},
)
"""The paper's sizes, and those of the study `quick`."""
COLUMNS = ("method", "hidden, batch, seeds", "bfloat16, updates/s", "float32, updates/s", "ratio", "range")


def contest(method: str, sizes: dict[str, int], options: argparse.Namespace) -> Result:
    """One method, bfloat16 beside float32. Raises ContestError when a side ends."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        sides = []
        for precision in PRECISIONS:
            settings = SIZES | sizes | {"threads": options.threads, "matmul_precision": precision}
            command = command_of("ours", sys.executable, ROOT, method=method, hyperparameters={}, **settings)
            log = LOGS / f"{method}-{precision}.log"
            sides.append(stack.enter_context(Contestant(f"{method} in {precision}", command, log)))
        for side in sides:
            side.introduce()
        say(f"{method}, {sizes['hidden_size']}: both are warm")
        return play(*sides, options.rounds, options.seconds)


def page_of(table: str, options: argparse.Namespace) -> str:
    """The record: table, machine, command and date."""
    command = shlex.join(["python", "-m", "tests.peers.precisions", *sys.argv[1:]])
    return f"""# Training in bfloat16 beside float32

{table}
Medians of {options.rounds} rounds of about {options.seconds:g} s for each side in turn; a ratio is one within
a round. Threads {options.threads}, observations {SIZES["observations"]}, actions {SIZES["actions"]}, \
hidden layers {SIZES["hidden_layers"]}; an update is one of all seeds.
{describe_cpus()}, torch {torch.__version__}, {datetime.date.today().isoformat()}.

    {command}
"""


def read_options(words: list[str] | None = None) -> argparse.Namespace:
    """The command line. Wrong values end the program as argparse does."""
    names = algorithms.names()
    parser = argparse.ArgumentParser(
        prog="python -m tests.peers.precisions", description=__doc__.splitlines()[0]
    )
    some = ["gtp", "diffusion_ql", "fql", "iql"]
    parser.add_argument("--methods", nargs="+", choices=names, default=some, metavar="NAME", help="which")
    add_timing(parser)
    options = parser.parse_args(words)
    check_timing(parser, options)
    return options


def run(options: argparse.Namespace) -> None:
    """Every contest; prints the table and writes the record. Raises UserError when a side ends."""
    require_files(options.record)
    require_precision("bfloat16", torch.device("cpu"))
    table = line_of(*COLUMNS) + "|---" * len(COLUMNS) + "|\n"
    for sizes in CASES:
        for method in options.methods:
            try:
                result = contest(method, sizes, options)
            except ContestError as error:
                raise UserError(str(error)) from None
            table += line_of(method, ", ".join(map(str, sizes.values())), *cells_of(result))
    print(table, end="")
    if options.record:
        write_text(options.record, page_of(table, options))


if __name__ == "__main__":
    with ending_in_one_line():
        run(read_options())
