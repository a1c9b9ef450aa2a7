import dataclasses
import itertools

import numpy as np
import pytest

from gtp.data.generate.waypoint import WaypointController, WaypointRecipe
from gtp.envs.mazes import MAZES, cell_center


def planned_cells(recipe: WaypointRecipe, start, goal, seed: int) -> list[tuple[int, int]]:
    """The cells of the route that the controller chooses at its first step."""
    controller = WaypointController(recipe, np.random.default_rng(seed))
    controller.act(cell_center(recipe.maze, start), np.zeros(2), cell_center(recipe.maze, goal))
    return controller.route.cells


@pytest.mark.parametrize("maze", MAZES)
def test_controller_reaches_goal_after_goal_despite_noise(maze):
    recipe = WaypointRecipe(maze=maze, horizon=3000)
    episode = recipe.record(recipe.make_collector(), 0, 3000)[0]
    reached = np.flatnonzero(episode.rewards)
    assert len(reached) >= 5
    assert np.diff(reached, prepend=0, append=3000).max() < 1200  # never stuck for long
    assert np.linalg.norm(episode.observations["observation"][:, 2:], axis=1).mean() > 1.5


@pytest.mark.parametrize(
    ("maze", "start", "goal", "cells"),
    [("umaze", (3, 1), (1, 1), 7), ("medium", (1, 1), (6, 6), 11), ("rooms", (1, 1), (6, 6), 13)],
)
def test_without_detours_paths_are_shortest_and_pass_through_no_wall(maze, start, goal, cells):
    path = planned_cells(WaypointRecipe(maze=maze, detour=0.0), start, goal, seed=0)
    assert (path[0], path[-1]) == (start, goal)
    assert len(path) == cells
    assert all(MAZES[maze][row][col] == 0 for row, col in path)
    assert all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in itertools.pairwise(path))


def test_detours_take_several_routes_to_the_same_goal():
    def routes(maze: str, detour: float) -> set[tuple]:
        recipe = WaypointRecipe(maze=maze, detour=detour)
        return {tuple(planned_cells(recipe, (1, 1), (6, 6), seed)) for seed in range(20)}

    assert len(routes("medium", detour=0.0)) == 1
    assert len(routes("medium", detour=0.5)) > 1
    assert {len(route) for route in routes("rooms", detour=3.0)} >= {13, 15}  # through either corridor


def test_controller_replans_from_a_cell_off_its_route():
    recipe = WaypointRecipe(maze="umaze", action_noise=0.0, waypoint_spread=0.0, detour=0.0)
    controller = WaypointController(recipe, np.random.default_rng(0))
    goal = cell_center("umaze", (1, 1))
    controller.act(cell_center("umaze", (1, 3)), np.zeros(2), goal)  # heads left along the top
    action = controller.act(cell_center("umaze", (3, 1)), np.zeros(2), goal)
    np.testing.assert_array_equal(action, [1, 0])  # the way from there begins to the right


def test_action_is_the_clipped_pd_law_plus_noise():
    recipe = WaypointRecipe(maze="umaze", waypoint_spread=0.0, action_noise=0.0)
    goal = np.array([-1.2, 1.1])  # off the centre of its cell
    position, velocity = goal - [0.05, 0.0], np.array([0.2, 0.0])
    quiet = WaypointController(recipe, np.random.default_rng(0)).act(position, velocity, goal)
    np.testing.assert_allclose(quiet, [10 * 0.05 - 0.2, 0.0], atol=1e-6)

    recipe = dataclasses.replace(recipe, action_noise=0.1, noise_correlation=0.9)
    noisy = WaypointController(recipe, np.random.default_rng(0))
    actions = np.array([noisy.act(position, velocity, goal) for _ in range(20_000)])
    np.testing.assert_allclose(actions.mean(axis=0), quiet, atol=0.01)
    np.testing.assert_allclose(actions.std(axis=0), 0.1, atol=0.01)
    successive = np.corrcoef(actions[:-1, 0], actions[1:, 0])[0, 1]
    assert successive == pytest.approx(0.9, abs=0.02)


def test_an_episode_depends_on_seed_and_index_alone():
    recipe = WaypointRecipe(maze="umaze", horizon=50)
    environment = recipe.make_collector()
    in_order = [recipe.record(environment, index, 50)[0] for index in range(2)]
    alone = recipe.record(recipe.make_collector(), 1, 50)[0]
    other = dataclasses.replace(recipe, seed=1).record(environment, 1, 50)[0]
    np.testing.assert_array_equal(in_order[1].actions, alone.actions)
    for key, observed in alone.observations.items():
        np.testing.assert_array_equal(in_order[1].observations[key], observed)
    assert not np.array_equal(in_order[0].actions, alone.actions)
    assert not np.array_equal(other.actions, alone.actions)


def test_episodes_have_minaris_shapes_and_end_in_a_truncation():
    recipe = WaypointRecipe(maze="umaze", horizon=50)
    episode = recipe.record(recipe.make_collector(), 0, 40)[0]
    assert {key: value.shape for key, value in episode.observations.items()} == {
        "observation": (41, 4),
        "achieved_goal": (41, 2),
        "desired_goal": (41, 2),
    }
    assert (episode.actions.shape, episode.actions.dtype) == ((40, 2), np.float32)
    assert np.abs(episode.actions).max() <= 1
    assert not episode.terminations.any()
    np.testing.assert_array_equal(np.flatnonzero(episode.truncations), [39])
    assert episode.infos["success"].shape == (41,)


def test_starts_and_goals_spread_over_the_maze():
    recipe = WaypointRecipe(maze="umaze", horizon=1)
    environment = recipe.make_collector()
    episodes = [recipe.record(environment, index, 1)[0] for index in range(100)]
    for key in ("achieved_goal", "desired_goal"):
        cells = {tuple(np.round(episode.observations[key][0])) for episode in episodes}
        assert len(cells) == 7  # every free cell


def test_episode_lengths_add_up_to_the_steps():
    assert WaypointRecipe(maze="umaze", steps=1000, horizon=300).chunks() == [300, 300, 300, 100]
    assert WaypointRecipe(maze="umaze", steps=600, horizon=300).chunks() == [300, 300]
    assert WaypointRecipe(maze="umaze", steps=5, horizon=300).chunks() == [5]


@pytest.mark.parametrize(
    "field", ["steps", "horizon", "seed", "action_noise", "detour", "waypoint_spread", "waypoint_radius"]
)
def test_values_out_of_range_are_refused(field):
    with pytest.raises(ValueError, match=field):
        WaypointRecipe(maze="umaze", **{field: -1})


def test_unknown_maze_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'medium'"):
        WaypointRecipe(maze="mediun")


def test_goals_are_drawn_from_the_goal_cells_alone():
    recipe = WaypointRecipe(maze="umaze", goal_cells=((1, 1), (3, 1)), steps=600, horizon=600)
    episode = recipe.record(recipe.make_collector(), 0, 600)[0]
    goals = np.unique(episode.observations["desired_goal"], axis=0)
    centers = np.array([cell_center("umaze", cell) for cell in recipe.goal_cells])
    distance = np.abs(goals[:, None] - centers).max(axis=-1).min(axis=1)
    assert len(goals) > 2  # several goals were reached
    assert distance.max() <= 0.25  # the simulator's own noise around a cell's centre


def test_a_single_goal_cell_is_refused():
    with pytest.raises(ValueError, match="goal_cells"):
        WaypointRecipe(maze="umaze", goal_cells=((1, 1), (1, 1)))


def test_a_goal_cell_in_a_wall_is_refused():
    with pytest.raises(ValueError, match=r"cell \(0, 0\) of maze 'umaze'.*try \(1, 1\)"):
        WaypointRecipe(maze="umaze", goal_cells=((0, 0),))


def test_rewards_of_held_actions_add_up_and_the_horizon_counts_actions():
    recipe = WaypointRecipe(maze="umaze", action_repeat=5, steps=200, horizon=200)
    episode = recipe.record(recipe.make_collector(), 0, 200)[0]
    assert len(episode.rewards) == 200
    moved = np.linalg.norm(np.diff(episode.observations["observation"][:, :2], axis=0), axis=1)
    assert moved.max() > 0.1  # five steps at more than 2 m/s
    assert episode.rewards.max() >= 1.0
