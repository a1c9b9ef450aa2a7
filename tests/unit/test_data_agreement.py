"""Data recorded otherwise than their task is evaluated are refused, or the difference is said."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, RescaleAction
from minari.data_collector import EpisodeBuffer

from gtp.config import TaskSpec
from gtp.data.generate.locomotion import LocomotionRecipe
from gtp.data.prepare import prepare_transitions
from gtp.data.sources.generate import generate_dataset
from gtp.data.store.minari_store import create_dataset
from gtp.errors import UserError

from .test_data_prepare import box_episode


def record(root: Path, environment: gym.Env) -> tuple[str, Path]:
    """Three steps in an environment of Pendulum's shapes, with its specification; id and root."""
    still = box_episode(3, actions=np.zeros((3, 1), np.float32))
    create_dataset(root, "handmade/test-v0", buffer=[EpisodeBuffer(**still)], env=environment)
    return "handmade/test-v0", root


def test_data_of_the_tasks_own_environment_need_no_word(tmp_path, box_task, capsys):
    prepare_transitions(*record(tmp_path, gym.make("Pendulum-v1")), box_task)
    assert capsys.readouterr().err == ""


def test_another_box_of_actions_is_refused(tmp_path, box_task):
    source = record(tmp_path, RescaleAction(gym.make("Pendulum-v1"), np.float32(-1), np.float32(1)))
    with pytest.raises(
        UserError,
        match=r"test-v0 .*\[-1.0\] to \[1.0\], .*Pendulum-v1 .*\[-2.0\] to \[2.0\].*record without a wrapper",
    ):
        prepare_transitions(*source, box_task)


def test_observations_that_a_wrapper_normalises_are_refused(tmp_path, box_task):
    source = record(tmp_path, NormalizeObservation(gym.make("Pendulum-v1")))
    with pytest.raises(
        UserError,
        match="test-v0.*NormalizeObservation.*Pendulum-v1.*record without NormalizeObservation",
    ):
        prepare_transitions(*source, box_task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observation_space": spaces.Box(-9, 9, (3,))}, None),
        (
            {"environment": "MountainCarContinuous-v0"},
            r"observations of shape \(3,\), .*Car.* of shape \(2,\)",
        ),
        ({"environment": "CartPole-v1"}, r"observations of shape \(3,\), .*CartPole-v1 .* of shape \(4,\)"),
        ({"action_space": spaces.Box(-2, 2, (2,))}, r"actions of shape \(2,\), .*Pendulum-v1 .* \(1,\)"),
        ({"environment": "Pendulum-v9"}, r"unknown environment|cannot make environment"),
    ],
)
def test_other_shapes_and_missing_environments_are_refused(changes, message, write_dataset, box_task):
    recorded = {key: value for key, value in changes.items() if key != "environment"}
    size = recorded.get("action_space", spaces.Box(-2, 2, (1,))).shape[0]
    source = write_dataset(box_episode(3, actions=np.zeros((3, size), np.float32)), **recorded)
    task = dataclasses.replace(box_task, environment=changes.get("environment", box_task.environment))
    if message is None:
        assert len(prepare_transitions(*source, task)) == 3
    else:
        with pytest.raises(UserError, match=message):
            prepare_transitions(*source, task)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda: NormalizeReward(gym.make("Pendulum-v1")), "Pendulum-v1 with the wrapper NormalizeReward"),
        (lambda: gym.make("Pendulum-v1", g=9.0), "Pendulum-v1 with the options {'g': 9.0}"),
    ],
)
def test_what_may_be_meant_is_said_in_one_line(wrap: Callable, said, tmp_path, box_task, capsys):
    prepare_transitions(*record(tmp_path, wrap()), box_task)
    assert capsys.readouterr().err == (
        f"dataset handmade/test-v0 was recorded in {said} and task pendulum is evaluated in Pendulum-v1:"
        " make sure that this is meant\n"
    )


def test_another_version_of_the_environment_is_said(tmp_path, capsys):
    recipe = LocomotionRecipe(robot="hopper", tier="random", steps=50)
    generate_dataset(recipe, dataset_id="generated/a/b-v0", root=tmp_path)
    task = TaskSpec(name="hopper", environment="Hopper-v5", max_episode_steps=50)
    capsys.readouterr()
    prepare_transitions("generated/a/b-v0", tmp_path, task)
    assert "was recorded in" not in capsys.readouterr().err
    prepare_transitions("generated/a/b-v0", tmp_path, dataclasses.replace(task, environment="Hopper-v4"))
    assert (
        "dataset generated/a/b-v0 was recorded in Hopper-v5 and task hopper is evaluated in Hopper-v4"
        in capsys.readouterr().err
    )


def test_other_names_of_a_maze_with_the_same_map_need_no_word(generated, maze_task, capsys):
    root, dataset_id, _ = generated
    prepare_transitions(dataset_id, root, dataclasses.replace(maze_task, environment="PointMaze_Large-v3"))
    assert "was recorded in" not in capsys.readouterr().err


class Breaking(gym.Env):
    """Has Pendulum's shapes and cannot be reset."""

    observation_space = spaces.Box(-9.0, 9.0, (3,), np.float32)
    action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        raise AssertionError("its model is of another version")


gym.register("test/Breaking-v0", entry_point=Breaking)


def test_an_environment_that_cannot_be_reset_is_told_before_any_training(tmp_path, box_task):
    task = dataclasses.replace(box_task, environment="test/Breaking-v0")
    with pytest.raises(UserError, match="'test/Breaking-v0' does not work here .*its model is of another"):
        prepare_transitions(*record(tmp_path, gym.make("Pendulum-v1")), task)
