"""The entry point of `gtp` and `python -m gtp`: the tree of verbs, parsing, and errors of one line.

Each verb is a function of gtp/cli that VERBS of its module lists; its flags are generated from the signature
and from the dataclasses that the code itself uses. A UserError ends the program with one line on stderr and
status 2.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable
from functools import partial, wraps

import torch
import tyro

from gtp.cli import checks, dataset, evaluate, online, train
from gtp.errors import UserError, told_to_the_user
from gtp.progress import say


def deferred(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A function with the same flags that returns the bound call instead of making it.

    Parsing is thus over, and its errors told, before the work begins.
    """

    @wraps(function)
    def bound(*args, **kwargs):
        return partial(function, *args, **kwargs)

    return bound


app = tyro.extras.SubcommandApp()
datasets = tyro.extras.SubcommandApp()
fetch = tyro.extras.SubcommandApp()
behaviour = tyro.extras.SubcommandApp()
onlines = tyro.extras.SubcommandApp()
app.command(datasets, name="dataset", help="Make, prepare and check datasets.")
app.command(onlines, name="online", help="Train in an environment.")
datasets.command(fetch, name="fetch", help="Datasets that others made: Minari's, or D4RL's own files.")
app.command(behaviour, name="behaviour", help="Train the policies that datasets are recorded with.")
VERBS = {
    app: train.VERBS | evaluate.VERBS | checks.VERBS,
    datasets: dataset.VERBS,
    fetch: dataset.FETCH_VERBS,
    onlines: online.VERBS,
    behaviour: dataset.BEHAVIOUR_VERBS,
}
"""Group -> the verbs in it, in the order in which --help lists them."""
for group, verbs in VERBS.items():
    for name, verb in verbs.items():
        group.command(name=name)(deferred(verb))

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
    except KeyboardInterrupt:
        fail("interrupted; the same command resumes from the last checkpoint")
    except BrokenPipeError:  # whoever reads the output, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again
        sys.exit(1)


def parse() -> Callable[[], None]:
    """The call that the command line asks for. Ends the program with one line when it makes no sense."""
    printed = io.StringIO()
    markers = (tyro.conf.CascadeSubcommandArgs, tyro.conf.FlagConversionOff, tyro.conf.OmitSubcommandPrefixes)
    try:
        # tyro leaves alone what a dataclass without a prefix says of its values; no verb runs in here.
        with told_to_the_user(), contextlib.redirect_stderr(printed):
            return app.cli(prog="gtp", config=markers, use_underscores=True)
    except SystemExit as error:
        if error.code:
            fail(one_line(printed.getvalue()))
        raise


def one_line(message: str) -> str:
    """tyro's boxed error message as one line: what is wrong, then the nearest flag or the valid choices."""
    lines = [line.strip(" │╰─╯") for line in message.splitlines() if not line.startswith("╭")]
    text = " ".join(line for line in lines if line)
    text = re.sub(r"Error parsing (__tyro_dummy_inner__\.)*|Argument helptext: .*", "", text)
    text = re.sub(r"Arguments are applied to .*? can matter\. ?", "", text)
    problem, _, advice = text.partition("Perhaps you meant: ")
    suggestion = re.match(r"(--\S+)", advice)
    problem = re.sub(r" ?For full helptext, (run|see).*$", "", problem).strip()
    return f"{problem}; did you mean {suggestion[1]}?" if suggestion else f"{problem}; see gtp --help"


def fail(message: str) -> None:
    """End the program with one line on stderr and status 2."""
    say(f"gtp: error: {message}")
    sys.exit(2)
