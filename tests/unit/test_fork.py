"""The forked point maze: both ways are taken equally often, and the mean of the data's actions takes none."""

import numpy as np
import pytest

from gtp.data.generate.recipes import RECIPES
from gtp.data.generate.waypoint import WaypointController
from gtp.envs.make import make_environment
from gtp.envs.mazes import cell_center
from gtp.studies.tasks import load_tasks

from .neighbours import Neighbours, record, roll_out

ORIGIN = load_tasks("config/tasks.yaml")["pointmaze-fork"].origins["generate"]
RECIPE = RECIPES[ORIGIN.dataset.recipe](**ORIGIN.dataset.recipe_options(20_000))
START, GOAL = (cell_center("fork", cell) for cell in (ORIGIN.spec.start_cell, ORIGIN.spec.goal_cell))


@pytest.fixture(scope="module")
def data():
    """Observations (N, 4) and actions (N, 2) of all steps."""
    episodes = record(RECIPE)
    return (
        np.concatenate([episode.observations["observation"][:-1] for episode in episodes]),
        np.concatenate([episode.actions for episode in episodes]),
    )


def test_ways_around_the_pillar_are_equally_long_and_taken_equally_often():
    paths = []
    for seed in range(400):
        controller = WaypointController(RECIPE, np.random.default_rng(seed))
        controller.act(START, np.zeros(2), GOAL)
        paths.append(controller.route.cells)
    assert {len(path) for path in paths} == {8}
    right = [path[-2] == (4, 4) for path in paths]
    assert np.mean(right) == pytest.approx(0.5, abs=0.08)  # three standard errors


@pytest.mark.parametrize("count", [64, 256])
def test_mean_of_the_data_stays_in_the_hall(data, count):
    environment = make_environment(ORIGIN.spec)
    rows = roll_out(environment, Neighbours(*data, count).mean, range(20))
    assert np.mean([info["success"] for _, _, info in rows]) <= 0.2


def test_any_action_of_the_data_finds_a_way(data):
    act = Neighbours(*data, 16).one(np.random.default_rng(0))
    rows = roll_out(make_environment(ORIGIN.spec), act, range(20))
    assert np.mean([info["success"] for _, _, info in rows]) >= 0.6
