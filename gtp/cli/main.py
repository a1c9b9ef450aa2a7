"""The command line: `gtp train`, `gtp evaluate`, `gtp dataset ...`, and the smaller verbs of the workflow.

Flags are generated from the dataclasses that the code itself uses. A UserError ends the program with
one line on stderr and status 2.
"""

import contextlib
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Literal, Union

import torch
import tyro

from gtp import algorithms
from gtp.algorithms.gtp import GTP
from gtp.config import TaskSpec, TrainConfig
from gtp.data.generate.behaviour.robots import ROBOTS, RUNNERS
from gtp.data.generate.recipes import RECIPES
from gtp.data.sources import COMBINED, SOURCES, Source, implementation
from gtp.data.summaries.expectations import Expectations
from gtp.data.transitions import load_transitions, save_transitions
from gtp.errors import UserError
from gtp.evaluation.bench import BenchConfig
from gtp.evaluation.bench import bench as run_bench
from gtp.evaluation.cost import measure, write_cost
from gtp.evaluation.flow_map import Point, flow_map
from gtp.evaluation.oracle import MIXTURES, measure_accuracy
from gtp.files import require_writable, write_text
from gtp.policy import describe, load_policy
from gtp.progress import say
from gtp.training.loop import Execution, closing_line, use_threads
from gtp.training.loop import train as run_training

app = tyro.extras.SubcommandApp()
dataset = tyro.extras.SubcommandApp()
app.command(dataset, name="dataset", help="Make, prepare and check datasets.")
fetch = tyro.extras.SubcommandApp()
dataset.command(fetch, name="fetch", help="Datasets that others made: Minari's, or D4RL's own files.")
behaviour = tyro.extras.SubcommandApp()
app.command(behaviour, name="behaviour", help="Train the policies that datasets are recorded with.")

DEFAULT_BUDGET, DEFAULT_EXECUTION = TrainConfig(), Execution()
ORACLE_BUDGET = TrainConfig(steps=6000, batch_size=128, hidden_size=128)


def deferred(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """The same flags, but calling it only binds them: parsing ends before the work begins."""

    @wraps(function)
    def bound(*args, **kwargs):
        return partial(function, *args, **kwargs)

    return bound


try:
    AnyAlgorithm = Union[  # noqa: UP007 (the members are known at run time only)
        tuple(Annotated[algorithms.get(name), tyro.conf.subcommand(name)] for name in algorithms.names())
    ]
except UserError as error:  # a method's file that cannot be imported
    sys.exit(f"gtp: error: {error}")


AnyRecipe = Union[  # noqa: UP007 (likewise)
    tuple(Annotated[recipe, tyro.conf.subcommand(name)] for name, recipe in RECIPES.items())
]


@app.command
@deferred
def train(
    algorithm: AnyAlgorithm,
    data: Path,
    output: Path,
    seeds: tuple[int, ...] = (0,),
    checkpoints: Path = Path("checkpoints"),
    label: str = "",
    train: TrainConfig = DEFAULT_BUDGET,
    execution: Execution = DEFAULT_EXECUTION,
) -> None:
    """Train one method on prepared transitions, all seeds in one process; resumes a run that was cut off.

    Args:
        algorithm: The method and its hyperparameters.
        data: Transitions, from `gtp dataset prepare`.
        output: Folder for policy-<step>.safetensors, training.csv and run.json.
        seeds: One policy is trained for each.
        checkpoints: Folder for the state of unfinished runs.
        label: Name of the run in messages and files; the method's by default.
        train: The budget and everything else that methods share.
        execution: Where and how fast; not meant to change what is learned.
    """
    record = run_training(
        algorithm,
        train,
        load_transitions(data),
        seeds,
        output=output,
        checkpoints=checkpoints,
        execution=execution,
        label=label,
    )
    say(closing_line(record, seeds, output, train.steps))


@app.command
@deferred
def evaluate(
    policy: tuple[Path, ...],
    output: Path,
    nfe: tuple[int, ...] = (1, 2, 5),
    acting: tuple[str, ...] = ("sample",),
    episodes: int = 20,
    rollouts: Path | None = None,
    rollout_episodes: int = 5,
    rollout_nfe: int | None = None,
    threads: int = 1,
) -> None:
    """Roll out every seed of policy files in the task's environment and write one row per episode.

    Args:
        policy: Policy files of one run.
        output: CSV of episodes.
        nfe: Numbers of function evaluations K per action.
        acting: What is done with samples: sample, noise_0.5, mean_of_16, best_of_16, best_of_50_at_1.
        episodes: Episodes per seed, K and rule.
        rollouts: CSV of positions along some episodes; mazes only.
        rollout_episodes: Episodes per seed to record there.
        rollout_nfe: Their K; the largest by default.
        threads: CPU threads of this process.
    """
    from gtp.evaluation import rollouts as evaluation

    use_threads(threads)
    for path in filter(None, (output, rollouts)):
        require_writable(path.parent)
    rows, positions = evaluation.evaluate(
        list(policy),
        list(nfe),
        episodes,
        acting,
        rollout_episodes=rollout_episodes if rollouts else 0,
        rollout_nfe=rollout_nfe,
    )
    evaluation.write_rows(output, evaluation.Episode, rows)
    if rollouts:
        evaluation.write_rows(rollouts, evaluation.Position, positions)


@app.command
@deferred
def cost(
    policy: Path,
    run: Path,
    output: Path,
    nfe: tuple[int, ...] = (1, 2, 5),
    acting: tuple[str, ...] = ("sample",),
    batch_sizes: tuple[int, ...] = (1, 64),
    threads: int = 1,
) -> None:
    """Measure parameters, training rate, memory and seconds per action of a trained policy.

    Args:
        policy: A policy file.
        run: The run.json beside it.
        output: CSV of figures.
        nfe: Numbers of function evaluations K per action.
        acting: Rules as of `gtp evaluate`.
        batch_sizes: Observations per call.
        threads: CPU threads of this process.
    """
    use_threads(threads)
    write_cost(output, measure(policy, run, list(nfe), list(batch_sizes), acting))


@app.command(name="flow-map")
@deferred
def draw_flow_map(policy: Path, data: Path, output: Path, samples: int = 64, nfe: int = 16) -> None:
    """Write the paths from noise to actions that a policy has learned in one state.

    Args:
        policy: A policy file of a GTP method with two action dimensions.
        data: The transitions it was trained on.
        output: CSV of points.
        samples: Noise samples.
        nfe: Jumps per path.
    """
    from gtp.evaluation.rollouts import write_rows

    write_rows(output, Point, flow_map(load_policy(policy), load_transitions(data), samples, nfe))


@app.command
@deferred
def oracle(
    algorithm: Annotated[GTP, tyro.conf.arg(name="")],
    train: TrainConfig = ORACLE_BUDGET,
    nfe: tuple[int, ...] = (1, 2, 5, 8),
    seeds: tuple[int, ...] = (0, 1),
    mixture: Literal["corners", "off_centre", "wide"] = "corners",
    std: float | None = None,
    threads: int = 1,
) -> None:
    """Clone a Gaussian mixture, whose exact flow is known, and print how far K-step samples are from it.

    Args:
        algorithm: Hyperparameters of GTP; eta counts as 0.
        train: The budget.
        nfe: Numbers of function evaluations K.
        seeds: One run for each; the figures are means over them.
        mixture: Four equal modes at (+-0.6, +-0.6), four unequal ones around (0.4, 0.4), or two broad ones.
        std: Standard deviation of each mode; the mixture's own by default.
        threads: CPU threads of this process.
    """
    use_threads(threads)
    modes = MIXTURES[mixture]() if std is None else MIXTURES[mixture](std)
    print(json.dumps(measure_accuracy(replace(algorithm, eta=0.0), modes, train, nfe, seeds)))


@app.command
@deferred
def bench(config: Annotated[BenchConfig, tyro.conf.arg(name="")]) -> None:
    """Measure updates per second, eager and compiled, and milliseconds per action; writes a JSON record."""
    run_bench(config)


@app.command
@deferred
def inspect(policy: Path) -> None:
    """Print what a policy file says about itself.

    Args:
        policy: A policy file.
    """
    print(describe(policy))


@dataset.command
@deferred
def generate(recipe: AnyRecipe, id: str, root: Path, workers: int = 1) -> None:
    """Record a dataset with the simulator, as a Minari dataset with a card.

    Args:
        recipe: What to record.
        id: Minari id below generated/, for example generated/pointmaze/medium-100k-v0.
        root: Minari's root folder (what MINARI_DATASETS_PATH names).
        workers: Processes; the data do not depend on it.
    """
    from gtp.data.sources.generate import generate_dataset

    generate_dataset(recipe, dataset_id=id, root=root, workers=workers, command=command_line())


def fetch_verb(source: type[Source]) -> Callable[..., None]:
    """The function behind `gtp dataset fetch <source>`; its flags are the fields of the source's dataset."""

    def named(dataset: Annotated[source, tyro.conf.arg(name="")], dataset_id: str, root: Path) -> None:
        implementation(source.name).fetch(dataset, dataset_id, root, command=command_line())

    def unnamed(dataset: Annotated[source, tyro.conf.arg(name="")], root: Path) -> None:
        implementation(source.name).fetch(dataset, dataset.own_id, root, command=command_line())

    verb = named if source.takes_id else unnamed
    verb.__doc__ = f"""{source.__doc__}

    Args:
        dataset_id: Minari id of the result: the one id, or a name below {COMBINED} for several.
        root: Minari's root folder.
    """
    return verb


for _source in SOURCES.values():
    if not _source.recorded_here:
        fetch.command(name=_source.name)(deferred(fetch_verb(_source)))


@dataset.command
@deferred
def prepare(
    id: str,
    root: Path,
    output: Path,
    task: TaskSpec,
    episodes: Path | None = None,
    coverage: Path | None = None,
) -> None:
    """Turn a local Minari dataset into the transitions of a task: one file, which training reads.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
        output: Transitions file (.safetensors).
        task: Environment, observations, reward and reference scores.
        episodes: CSV of the recorded episodes' returns and lengths.
        coverage: CSV of visited positions; mazes only.
    """
    from gtp.data.prepare import prepare_transitions
    from gtp.data.summaries.coverage import Bin, coverage_rows
    from gtp.data.summaries.episodes import RecordedEpisode, episode_rows
    from gtp.evaluation.rollouts import write_rows

    save_transitions(output, prepare_transitions(id, root, task))
    if episodes:
        write_rows(episodes, RecordedEpisode, episode_rows(id, root))
    if coverage:
        write_rows(coverage, Bin, coverage_rows(id, root))


@dataset.command
@deferred
def verify(id: str, root: Path) -> None:
    """Compare a dataset's files with the checksums on its card.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
    """
    from gtp.data.store.card import verify_card
    from gtp.data.store.minari_store import dataset_folder

    card = verify_card(dataset_folder(id, root))
    print(f"{id}: {card['episodes']} episodes, {card['steps']} steps, all checksums hold")


@dataset.command
@deferred
def validate(id: str, root: Path, output: Path, expect: Expectations, maze: str | None = None) -> None:
    """Compare a dataset with what is expected of it; write what was checked, or fail and say what differs.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
        output: JSON of the quantities that were checked.
        expect: Ranges, ends included.
        maze: Name of the map, for the coverage.
    """
    from gtp.data.summaries.expectations import validate_dataset

    write_text(output, json.dumps(validate_dataset(id, root, expect, maze), indent=2) + "\n")


@dataset.command
@deferred
def references(recipe: AnyRecipe, task: TaskSpec, output: Path | None = None, episodes: int = 100) -> None:
    """Measure what a random policy and the recipe's expert reach on a task whose data are generated.

    Args:
        recipe: How the data are recorded; names the expert and the seed.
        task: The task.
        output: CSV with a row for each policy; without it they are printed.
        episodes: Episodes of each policy.
    """
    from gtp.data.summaries.reference_returns import Reference, measure_references
    from gtp.evaluation.rollouts import write_rows

    rows = measure_references(task, recipe, episodes)
    if output:
        write_rows(output, Reference, rows)
    else:
        for row in rows:
            print(json.dumps(asdict(row)))


@behaviour.command(name="train")
@deferred
def train_behaviour(robot: Literal[tuple(ROBOTS)], output: Path, work: Path, seed: int = 0) -> None:
    """Train a robot's behaviour policies; resumes a run that was cut off.

    Args:
        robot: Which robot.
        output: Folder for <robot>.safetensors, .csv and .json.
        work: Folder for the state and the policies of the unfinished run.
        seed: Seed of the simulators and of the networks.
    """
    try:
        from gtp.data.generate.behaviour import training
    except ImportError as error:
        raise UserError(f"{error.name} is missing; pip install 'gtp[behaviour]'") from error

    training.train_behaviour(robot, work, output, seed=seed, command=command_line())


@behaviour.command
@deferred
def calibrate(robot: Literal[tuple(RUNNERS)], output: Path | None = None, episodes: int = 200) -> None:
    """Measure the share of their noise with which a robot's behaviour policies record data as D4RL's.

    Args:
        robot: Which robot.
        output: CSV with a row for each share of the noise; without it they are printed.
        episodes: Episodes of the medium policy with each share.
    """
    from gtp.data.generate.calibration import Gain, matching_factor, measure_gains
    from gtp.evaluation.rollouts import write_rows

    rows = list(measure_gains(robot, episodes))
    if output:
        write_rows(output, Gain, rows)
    else:
        for row in rows:
            print(json.dumps(asdict(row)))
    wanted = RUNNERS[robot].locomotion.d4rl_gain
    factor = matching_factor(rows, wanted)
    found = "no share" if factor is None else f"{factor:.2f}"
    say(f"D4RL's gain without noise is {wanted:.3f}: {found} of the noise gives the same")


def command_line() -> str:
    """What the user typed, for the record, with the program's public name."""
    return shlex.join(["gtp", *sys.argv[1:]])


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
    """What the command line asks for, not yet done. Ends the program with one line when it makes no sense."""
    printed = io.StringIO()
    markers = (tyro.conf.CascadeSubcommandArgs, tyro.conf.FlagConversionOff, tyro.conf.OmitSubcommandPrefixes)
    try:
        with contextlib.redirect_stderr(printed):
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
