"""What feeds a learner: columns in the units and on the device that it wants, windows within episodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gtp.algorithms.mbdpo import MBDPO
from gtp.algorithms.td3_bc import TD3BC
from gtp.data.batches import window_starts
from gtp.training.samplers import minibatch, sampler_for

from .training_fixtures import CONFIG, tiny_transitions

CPU = torch.device("cpu")


def test_windows_stay_inside_one_episode_and_hold_what_the_episode_holds():
    data = tiny_transitions(60)
    sampler = sampler_for(MBDPO(), data, replace(CONFIG, normalize_observations=False), CPU)
    starts = sampler.columns.starts
    assert starts.tolist() == [row for row in range(60) if row % 20 <= 17]
    windows = minibatch(sampler.columns, torch.arange(len(starts))[None], 3)  # of one seed
    assert windows.obs.shape == (1, 4, len(starts), 3)
    for i, start in enumerate(starts.tolist()):
        steps = slice(start, start + 3)
        np.testing.assert_array_equal(windows.obs[0, :3, i], data.observations[steps])
        np.testing.assert_array_equal(windows.obs[0, 3, i], data.next_observations[start + 2])
        np.testing.assert_array_equal(windows.act[0, :, i], data.actions[steps])
        np.testing.assert_array_equal(windows.rew[0, :, i], data.rewards[steps])
        np.testing.assert_array_equal(windows.terminated[0, :, i], data.terminations[steps])
    assert not windows.terminated[0, :2].any()
    assert windows.terminated[0, 2].sum() == 3
    torch.testing.assert_close(windows.discount, CONFIG.discount * (1 - windows.terminated))


@pytest.mark.parametrize("algorithm", [TD3BC(), MBDPO()], ids=["transitions", "windows"])
def test_observations_are_standardised_with_the_datas_own_mean_and_deviation(algorithm):
    """Far from 0 and 1, in single transitions and in windows."""
    data = tiny_transitions(60)
    mean, std = np.float32([5.0, -3.0, 0.5]), np.float32([2.0, 0.1, 7.0])
    data = replace(data, observation_mean=mean, observation_std=std)
    columns = sampler_for(algorithm, data, CONFIG, CPU).columns
    for name, raw in (("obs", data.observations), ("next_obs", data.next_observations)):
        np.testing.assert_allclose(getattr(columns, name), (raw - mean) / std, rtol=1e-6)


@pytest.mark.parametrize("algorithm", [TD3BC(), MBDPO()], ids=["transitions", "windows"])
def test_columns_lie_on_the_device_that_is_asked_for(algorithm):
    """By a device that there is everywhere, and that holds no numbers."""
    columns = sampler_for(algorithm, tiny_transitions(), CONFIG, torch.device("meta")).columns
    assert {column.device.type for column in columns} == {"meta"}


def test_a_window_longer_than_every_episode_is_refused():
    assert len(window_starts(tiny_transitions(60), 20)) == 3
    with pytest.raises(ValueError, match="tiny.*21 steps"):
        sampler_for(MBDPO(horizon=21), tiny_transitions(60), CONFIG, CPU)
