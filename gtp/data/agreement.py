"""Whether a dataset was recorded in the environment in which its task evaluates."""

import re
from typing import Any

import gymnasium as gym
import minari
import numpy as np

from gtp.config import TaskSpec
from gtp.envs.make import check_runs, make_task
from gtp.envs.wrappers import select_boxes
from gtp.errors import UserError
from gtp.progress import say

# Gymnasium's and our wrappers after which the same numbers are other observations or do something else.
CHANGING = {
    "DelayObservation",
    "HeldAction",
    "NormalizeObservation",
    "RepeatAction",
    "RescaleObservation",
    "StickyAction",
    "TransformAction",
    "TransformObservation",
}


def check_agreement(dataset: minari.MinariDataset, task: TaskSpec) -> None:
    """Compare a dataset with the task's evaluation environment: shapes, the box of actions, ids and wrappers.

    What may be meant, such as another version of the environment, is said in one line on stderr.
    Raises: UserError naming both where a policy learned from the data would not fit the environment or would
    be misread by it: other shapes, another box, or a wrapper that changes what the numbers mean; and when
    the task's environment does not exist or does not work.
    """
    environment = make_task(task)
    check_runs(environment, task.environment)
    owner, place = f"dataset {dataset.id}", f"the environment {task.environment} of task {task.name}"
    shapes: dict[str, list[tuple[int, ...] | None]] = {
        "observations": [observation_shape(source, task) for source in (dataset, environment)],
        "actions": [source.action_space.shape for source in (dataset, environment)],
    }
    for what, (own, wanted) in shapes.items():
        if own != wanted:
            raise UserError(
                f"{owner} has {what} of shape {own}, {place} of shape {wanted}; name the environment"
                " that the data were recorded in, or use other data"
            )
    recorded: Any = dataset.action_space  # a box, as gtp.data.prepare has seen
    needed: Any = environment.action_space
    if not (np.allclose(recorded.low, needed.low) and np.allclose(recorded.high, needed.high)):
        raise UserError(
            f"{owner} has actions from {recorded.low.tolist()} to {recorded.high.tolist()}, {place} from"
            f" {needed.low.tolist()} to {needed.high.tolist()}: the same action would do something else;"
            " record without a wrapper that rescales actions, or name an environment that has it"
        )
    if dataset.env_spec is not None:
        compare_specifications(dataset, environment, task)
    environment.close()


def compare_specifications(dataset: minari.MinariDataset, environment: gym.Env, task: TaskSpec) -> None:
    """`check_agreement` for what Gymnasium notes of the two environments."""
    spec, present = dataset.env_spec, {w.name for w in environment.spec.additional_wrappers}
    lacking = [w.name for w in spec.additional_wrappers if w.name not in present]
    for name in lacking:
        if name in CHANGING:
            raise UserError(
                f"dataset {dataset.id} was recorded with the wrapper {name}, which the environment"
                f" {task.environment} of task {task.name} lacks: the same numbers would mean something else;"
                f" record without {name}, or register an environment that has it and name that"
            )
    differences = [f"with the wrapper {name}" for name in lacking]
    if task.maze is None and spec.kwargs != environment.spec.kwargs:  # a maze's are the recipe's business
        differences.append(f"with the options {spec.kwargs}")
    if differences or family(spec.id, task) != family(task.environment, task):
        say(
            f"dataset {dataset.id} was recorded in {' '.join([spec.id, *differences])} and task {task.name}"
            f" is evaluated in {task.environment}: make sure that this is meant"
        )


def family(environment: str, task: TaskSpec) -> str:
    """An environment's id; without the name of a maze, whose map is compared apart."""
    return re.sub(r"_[^-]*", "", environment) if task.maze is not None else environment


def observation_shape(source: minari.MinariDataset | gym.Env, task: TaskSpec) -> tuple[int]:
    """Shape of the flat observation that the task reads. Raises UserError as `select_boxes`."""
    owner = f"dataset {source.id}" if isinstance(source, minari.MinariDataset) else task.environment
    boxes = select_boxes(source.observation_space, task.observation_keys, owner)
    return (sum(box.shape[0] for box in boxes),)
