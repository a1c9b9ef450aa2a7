import pytest

from gtp.data.references import measure_references
from gtp.errors import UserError


def test_controller_solves_the_task_and_a_random_policy_does_not(maze_task):
    measured = measure_references(maze_task, episodes=5, seed=0)
    assert set(measured) == {"random", "controller", "data"}
    assert measured["controller"]["success"] == measured["controller"]["return"] == 1.0
    assert measured["data"]["success"] == 1.0
    assert measured["controller"]["length_max"] <= maze_task.max_episode_steps / 2
    assert measured["controller"]["length_mean"] < measured["data"]["length_mean"]
    assert measured["random"] == {
        "return": 0.0,
        "success": 0.0,
        "length_mean": maze_task.max_episode_steps,
        "length_max": maze_task.max_episode_steps,
    }


def test_measurement_repeats(maze_task):
    first, again, other = (measure_references(maze_task, episodes=2, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_tasks_without_a_maze_are_refused(box_task):
    with pytest.raises(UserError, match="task 'pendulum' has no maze"):
        measure_references(box_task)
