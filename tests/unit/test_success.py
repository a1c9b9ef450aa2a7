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
    "flags", [False, 0, np.nan, np.float32(np.nan), [np.nan, 0.0], np.array([False]), []]
)
def test_neither_nan_nor_zero_is(flags):
    assert succeeded(flags) is False


def test_recorded_episodes_fail_when_only_their_reset_is_nan(write_dataset):
    flags = ([np.nan, 0.0, 0.0, 0.0], [np.nan, 0.0, 1.0, 0.0])
    source = write_dataset(*(box_episode(3, infos={"success": np.array(each)}) for each in flags))
    assert [row.success for row in episode_rows(*source)] == [0, 1]
    dataset = open_dataset(*source)
    assert describe_episodes(read_episodes(dataset, source[1]))["success"] == 0.5


def test_rollouts_fail_when_the_simulator_says_nan():
    class Silent:
        def reset(self, seed):
            return np.zeros(3, np.float32), {"success": np.nan}

        def step(self, action):
            return np.zeros(3, np.float32), 1.0, True, False, {"success": np.nan}

    rollouts = Rollouts(TaskSpec(name="pendulum", environment="Pendulum-v1", max_episode_steps=5), 1)
    rollouts.environments = [Silent()]
    (row,), _ = rollouts.run(Still(1), 1, ActingRule.parse("sample"))
    assert (row.success, row.episode_return) == (0, 1.0)
