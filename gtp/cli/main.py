"""The entry point of `gtp` and `python -m gtp`: the tree of verbs, parsing, and errors of one line.

Each verb is a function of gtp/cli that VERBS of its module lists; its flags are generated from the signature
and from the dataclasses that the code itself uses, and are spelt as those are, with underscores; hyphens are
taken too. A UserError ends the program with one line on stderr and status 2.
"""

import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from typing import Any

import torch
import tyro

from gtp import algorithms
from gtp.errors import UserError, suggest, told_to_the_user
from gtp.progress import say


def deferred(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A function with the same flags that returns the bound call instead of making it.

    Parsing is thus over, and its errors told, before the work begins.
    """

    @wraps(function)
    def bound(*args, **kwargs):
        return partial(function, *args, **kwargs)

    return bound


def verbs_of(module: str, table: str = "VERBS") -> dict[str, Callable[..., Any]]:
    """A table of verbs of a module of gtp/cli, empty where that needs a method whose file is unsound."""
    try:
        return getattr(import_module(f"gtp.cli.{module}"), table)
    except Exception:
        if not UNSOUND:
            raise
        return {}


UNSOUND = algorithms.sort_out()[1]
"""What is wrong with files of methods; a call that asks for what they take away is told."""
VERBS = {
    "": verbs_of("train") | verbs_of("evaluate") | verbs_of("checks") | verbs_of("claims"),
    "dataset": verbs_of("dataset"),
    "dataset fetch": verbs_of("dataset", "FETCH_VERBS"),
    "online": verbs_of("online"),
    "behaviour": verbs_of("dataset", "BEHAVIOUR_VERBS"),
}
"""Group -> the verbs in it, in the order in which --help lists them."""
HELP = {
    "dataset": "Make, prepare and check datasets.",
    "dataset fetch": "Datasets that others made: Minari's, or D4RL's own files.",
    "online": "Train in an environment.",
    "behaviour": "Train the policies that datasets are recorded with.",
}
GROUPS = {path: tyro.extras.SubcommandApp() for path, verbs in VERBS.items() if verbs}
for path, group in GROUPS.items():
    if path:
        above, _, word = path.rpartition(" ")
        GROUPS[above].command(group, name=word, help=HELP[path])
    for name, verb in VERBS[path].items():
        group.command(name=name)(deferred(verb))
app = GROUPS[""]

OUT_OF_MEMORY = "out of memory; use a smaller batch, dataset or network, or another device"


def main() -> None:
    """Entry point of `gtp` and `python -m gtp`."""
    try:
        parse()()
    except UserError as error:
        fail(str(error))
    except (MemoryError, torch.OutOfMemoryError):
        fail(OUT_OF_MEMORY)
    except RuntimeError as error:  # how torch says it of a CPU
        if "can't allocate memory" not in str(error):
            raise
        fail(OUT_OF_MEMORY)
    except KeyboardInterrupt as error:  # gtp.errors.resuming says what there is to go on from
        fail("; ".join(filter(None, ["interrupted", str(error)])))
    except BrokenPipeError:  # whoever reads the output, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again
        sys.exit(1)


def parse() -> Callable[[], None]:
    """The call that the command line asks for. Ends the program with one line when it makes no sense."""
    printed = io.StringIO()
    markers = (tyro.conf.CascadeSubcommandArgs, tyro.conf.FlagConversionOff, tyro.conf.OmitSubcommandPrefixes)
    arguments = sys.argv[1:] or ["--help"]
    if arguments == ["--version"]:
        print(f"gtp {import_module('gtp').__version__}")
        sys.exit()
    try:
        # tyro leaves alone what a dataclass without a prefix says of its values; no verb runs in here.
        with told_to_the_user(), contextlib.redirect_stderr(printed):
            return app.cli(
                prog="gtp",
                description="Generative trajectory policies, verb by verb; `gtp --version` says which.",
                args=arguments,
                config=markers,
                use_underscores=True,
            )
    except SystemExit as error:
        if error.code:
            fail("; ".join([one_line(printed.getvalue()), *UNSOUND]))
        raise


def one_line(message: str) -> str:
    """tyro's boxed error message as one line: what is wrong, then the nearest word or where to look."""
    lines = [line.strip(" │╰─╯") for line in message.splitlines() if not line.startswith("╭")]
    text = " ".join(line for line in lines if line)
    text = re.sub(r"Error parsing (__tyro_dummy_inner__\.)*|Argument helptext: .*", "", text)
    text = re.sub(r"Arguments are applied to .*? can matter\. ?", "", text)
    problem, _, advice = text.partition("Perhaps you meant: ")
    problem = re.sub(r" ?For full helptext, (run|see).*$", "", problem).strip()
    unknown = re.search(r"Unrecognized options: ([^\s,]+)", problem)
    flags = [line.split()[0] for line in lines if advice and line.startswith("--")]
    if unknown and flags:
        return f"{problem}; did you mean {nearest(unknown[1], flags)}?"
    choices = re.search(r"Available subcommands: (.*)$", problem)
    if unknown and choices:
        return f"{problem}; {suggest(unknown[1], choices[1].split(', '), 'gtp --help')}"
    return f"{problem}; see gtp --help"


def nearest(flag: str, flags: list[str]) -> str:
    """The flag that a misspelt one is likeliest to mean: one that it begins, else the most alike."""
    return max(flags, key=lambda f: (f.startswith(flag), difflib.SequenceMatcher(None, flag, f).ratio()))


def fail(message: str) -> None:
    """End the program with one line on stderr and status 2."""
    say(f"gtp: error: {message}")
    sys.exit(2)
