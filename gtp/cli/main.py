"""The entry point of `gtp` and `python -m gtp`: the tree of verbs, parsing, and errors of one line.

Each verb is a function of gtp/cli that VERBS of its module lists; its flags are generated from the signature
and from the dataclasses that the code itself uses, and are spelt as those are, with underscores; hyphens are
taken too. Only the module of the verb that is called is imported, since torch and simulators take seconds. A
UserError ends the program with one line on stderr and status 2.
"""

import ast
import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import tyro

from gtp.errors import UserError, suggest, told_to_the_user
from gtp.progress import say

MODULES = {
    "": ("train", "evaluate", "export", "checks", "claims", "plans"),
    "dataset": ("record", "dataset"),
    "dataset fetch": ("fetch",),
    "online": ("online",),
    "behaviour": ("behaviour",),
}
"""Group -> the modules of gtp/cli with its verbs, in the order in which --help lists them."""
HELP = {
    "dataset": "Make, prepare and check datasets.",
    "dataset fetch": "Datasets that others made: Minari's, or D4RL's own files.",
    "online": "Train in an environment.",
    "behaviour": "Train the policies that datasets are recorded with.",
}
OUT_OF_MEMORY = "out of memory; use a smaller batch, dataset or network, or another device"


def main() -> None:
    """Entry point of `gtp` and `python -m gtp`."""
    try:
        parse()()
    except UserError as error:
        fail(str(error))
    except MemoryError:
        fail(OUT_OF_MEMORY)
    except RuntimeError as error:  # torch's own error of a GPU's memory, and how it says it of a CPU
        if type(error).__name__ != "OutOfMemoryError" and "can't allocate memory" not in str(error):
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
            return group_of("", arguments).cli(
                prog="gtp",
                description="Generative trajectory policies, verb by verb; `gtp --version` says which.",
                args=arguments,
                config=markers,
                use_underscores=True,
            )
    except SystemExit as error:
        if error.code:
            fail("; ".join([one_line(printed.getvalue()), *unsound_methods()]))
        raise


def group_of(group: str, arguments: Sequence[str]) -> tyro.extras.SubcommandApp:
    """A group of verbs and the groups in it, as tyro wants them, for arguments that follow its name.

    The verb that they begin with has its flags, the others have their descriptions alone.
    """
    app = tyro.extras.SubcommandApp()
    called = arguments[0].replace("-", "_") if arguments else ""
    for module in MODULES[group]:
        for name, description in descriptions(module).items():
            verb = verb_of(module, name) if name == called else described(description)
            if verb:
                app.command(name=name)(deferred(verb))
    for path, text in HELP.items():
        above, _, word = path.rpartition(" ")
        if above == group:
            inside = group_of(path, arguments[1:] if word == called else [])
            app.command(inside, name=word, help=text)
    return app


def descriptions(module: str) -> dict[str, str]:
    """Verb -> its docstring, for each in VERBS of a module of gtp/cli, from the source where it says so.

    A table that is computed is asked for: the module of such a one imports nothing that takes long.
    """
    source = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
    functions = [node for node in source.body if isinstance(node, ast.FunctionDef)]
    said = {function.name: ast.get_docstring(function) or "" for function in functions}
    for node in source.body:
        match node:
            case ast.Assign(targets=[ast.Name("VERBS")], value=ast.Dict(names, values)):
                verbs = zip(filter(None, names), values, strict=True)
                return {ast.literal_eval(name): said[ast.unparse(verb)] for name, verb in verbs}
    return {name: verb.__doc__ for name, verb in import_module(f"gtp.cli.{module}").VERBS.items()}


def verb_of(module: str, name: str) -> Callable[..., None] | None:
    """A verb of a module of gtp/cli; None where it needs a method whose file is unsound."""
    try:
        return import_module(f"gtp.cli.{module}").VERBS[name]
    except Exception:
        if not unsound_methods():
            raise
        return None


def unsound_methods() -> list[str]:
    """What is wrong with files of methods, where the verb that is called asked for methods."""
    methods = sys.modules.get("gtp.algorithms")
    return methods.sort_out()[1] if methods else []


def described(description: str) -> Callable[[], None]:
    """A verb without flags that only has a description."""

    def verb() -> None:
        raise AssertionError("a verb that is called has its flags")

    verb.__doc__ = description
    return verb


def deferred(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A function with the same flags that returns the bound call instead of making it.

    Parsing is thus over, and its errors told, before the work begins.
    """

    @wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return partial(function, *args, **kwargs)

    return bound


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
