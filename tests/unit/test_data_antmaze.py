import dataclasses
import itertools

import numpy as np
import pytest

from gtp.config import TaskSpec
from gtp.data.generate.antmaze import AntMazeRecipe
from gtp.data.prepare import prepare_transitions
from gtp.data.sources.generate import generate_dataset
from gtp.envs.mazes import MAZES, cell_center

ID = "generated/antmaze/test-v0"
RECIPE = AntMazeRecipe(maze="umaze", steps=1500, start_cells=((1, 1),), goal_cells=((3, 1),))
TASK = TaskSpec(
    name="antmaze-umaze",
    environment="AntMaze_UMaze-v4",
    max_episode_steps=700,
    observation_keys=("achieved_goal", "observation"),
    maze="umaze",
    start_cell=(1, 1),
    goal_cell=(3, 1),
    goal_radius=0.5,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    root = tmp_path_factory.mktemp("minari")
    return root, generate_dataset(RECIPE, dataset_id=ID, root=root)


@pytest.fixture(scope="module")
def episodes():
    environment = RECIPE.make_collector()
    return [e for i, steps in enumerate(RECIPE.chunks()) for e in RECIPE.record(environment, i, steps)]


def test_observations_are_d4rls_twenty_seven_and_the_position(episodes):
    for episode in episodes:
        shapes = {key: array.shape[1:] for key, array in episode.observations.items()}
        assert shapes == {"observation": (27,), "achieved_goal": (2,), "desired_goal": (2,)}
    assert sum(len(episode.rewards) for episode in episodes) == 1500


def test_ants_start_near_the_start_and_walk_to_the_centre_of_the_goal(episodes):
    start, goal = cell_center("umaze", (1, 1), 4.0), cell_center("umaze", (3, 1), 4.0)
    arrived = [episode for episode in episodes if episode.infos["success"].any()]
    assert len(arrived) >= 2
    for episode in episodes:
        assert np.abs(episode.observations["achieved_goal"][0] - start).max() <= 1.2
        np.testing.assert_array_equal(episode.observations["desired_goal"][0], goal)
    for episode in arrived:
        assert np.linalg.norm(episode.observations["achieved_goal"][-1] - goal) <= 0.45
        assert not episode.infos["success"][:-1].any()
        assert episode.truncations[-1]
        assert not episode.terminations.any()  # the task, not the recording, says what ends an episode


def test_an_arrival_is_a_reward_and_a_termination_of_the_task(recorded, episodes):
    root, card = recorded
    transitions = prepare_transitions(ID, root, TASK)
    arrived = sum(bool(episode.infos["success"].any()) for episode in episodes)
    assert transitions.terminations.sum() == transitions.rewards.sum() == arrived
    assert card["success"] == arrived / len(episodes)
    assert transitions.observations.shape[1] == 29


def test_number_of_workers_does_not_change_a_byte(recorded, tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=700, horizon=100)
    cards = [
        generate_dataset(recipe, dataset_id=ID, root=tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    ]
    assert cards[0]["sha256"] == cards[1]["sha256"]


def test_starts_and_goals_are_any_free_cells_unless_named():
    free = sum(cell == 0 for row in MAZES["medium"] for cell in row)
    assert len(AntMazeRecipe(maze="medium").journeys()) == free * (free - 1)
    corners = ((1, 1), (6, 6))
    journeys = AntMazeRecipe(maze="medium", start_cells=corners, goal_cells=corners).journeys()
    assert journeys == list(itertools.permutations(corners, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maze": "umazes"}, "did you mean 'umaze'"),
        ({"goal_cells": ((0, 0),)}, "cell \\(0, 0\\)"),
        ({"goal_cells": ((1, 1),)}, "start_cells and goal_cells"),
        ({"action_noise": -0.1}, "action_noise"),
        ({"waypoint_radius": 0.0}, "waypoint_radius"),
        ({"steps": 0}, "steps"),
    ],
)
def test_bad_recipes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECIPE, **change)
