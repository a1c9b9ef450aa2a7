"""NaN, which recorders write where a reset gave no flag, is no success anywhere."""

import numpy as np
import pytest

from gtp.acting import ActingRule
from gtp.config import TaskSpec
from gtp.data.store.card import describe_episodes
from gtp.data.store.minari_store import open_dataset, read_episodes
from gtp.data.summaries.episodes import episode_rows
from gtp.envs.success import succeeded
from gtp.evaluation.rollouts import Rollouts

from .test_data_prepare import box_episode
from .training_fixtures import Still


@pytest.mark.parametrize("flags", [True, 1, 1.0, [np.nan, 0, 1], np.array([[False], [True]])])
def test_any_flag_that_is_set_is_success(flags):
    assert succeeded(flags) is True


@pytest.mark.parametrize(
    "flags",
    [
        False,
        0,
        np.nan,
        np.float32(np.nan),
        [np.nan, 0.0],
        np.array([np.nan, 0], object),
        np.array([False]),
        [],
    ],
)
def test_neither_nan_nor_zero_is(flags):
    assert succeeded(flags) is False


def test_recorded_episodes_fail_when_only_their_reset_is_nan(write_dataset):
    flags = ([np.nan, 0.0, 0.0, 0.0], [np.nan, 0.0, 1.0, 0.0])
    source = write_dataset(*(box_episode(3, infos={"success": np.array(each)}) for each in flags))
    assert [row.success for row in episode_rows(*source)] == [0, 1]
    dataset = open_dataset(*source)
    assert describe_episodes(read_episodes(dataset, source[1]))["success"] == 0.5


class Saying:
    """A simulator of as many steps as it has flags to say; `seeds` are those that it was reset with."""

    def __init__(self, *flags: float | None):
        self.flags, self.seeds = flags, []

    def reset(self, seed):
        self.seeds.append(seed)
        self.said = 0
        return np.zeros(3, np.float32), {"success": np.nan}

    def step(self, action):
        flag = self.flags[self.said]
        self.said += 1
        info = {} if flag is None else {"success": flag}
        return np.zeros(3, np.float32), 1.0, self.said == len(self.flags), False, info


def roll_out(*environments: Saying):
    """Rows of one episode in each."""
    rollouts = Rollouts(TaskSpec(name="pendulum", environment="Pendulum-v1", max_episode_steps=5), 1)
    rollouts.environments = list(environments)
    return rollouts.run(Still(1), 1, ActingRule.parse("sample"))[0]


def test_rollouts_fail_when_the_simulator_says_nan():
    (row,) = roll_out(Saying(np.nan))
    assert (row.success, row.episode_return) == (0, 1.0)


def test_success_at_any_step_is_success_of_the_episode():
    rows = roll_out(Saying(1, 0, 0), Saying(0, 0, 1), Saying(0, 0), Saying(0, None, True, None))
    assert [(row.success, row.length, row.episode_return) for row in rows] == [
        (1, 3, 3.0),
        (1, 3, 3.0),
        (0, 2, 2.0),
        (1, 4, 4.0),
    ]


def test_an_environment_that_never_says_whether_it_succeeded_has_no_success():
    (row,) = roll_out(Saying(None, None))
    assert (row.success, row.status) == (None, "ok")


def test_every_episode_starts_from_the_seed_that_the_policy_gives_it():
    environments = [Saying(0), Saying(0), Saying(0)]
    roll_out(*environments)
    assert [environment.seeds for environment in environments] == [[0], [1], [2]]
