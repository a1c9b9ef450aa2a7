"""The replay that grows: windows stay within episodes, and a learner cannot tell it from a dataset."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gtp.algorithms.mbdpo import MBDPO
from gtp.config import TrainConfig
from gtp.data.batches import observation_scaling
from gtp.randomness import draw_block
from gtp.training.learner import Learner
from gtp.training.replay import GrowingSampler
from gtp.training.samplers import minibatch, sampler_for

from .training_fixtures import tiny_transitions

CPU = torch.device("cpu")


def growing(capacity: int = 100, window: int = 3) -> GrowingSampler:
    return GrowingSampler(capacity, 2, 1, window, 0.9, CPU)


def episode(number: int, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps whose observations say which episode and which step they are, actions which step."""
    obs = np.stack([np.full(steps + 1, number), np.arange(steps + 1)], axis=1)
    return obs, np.arange(steps)[:, None] / 100, np.full(steps, float(number))


def test_windows_never_leave_their_episode():
    replay = growing()
    lengths = (5, 3, 2, 9, 1, 4)
    for number, steps in enumerate(lengths):
        replay.append(*episode(number, steps), terminated=number == 3)
    assert replay.steps == sum(lengths)
    # The short ones, of 2 steps and of 1, have no window at all.
    assert replay.size == 3 + 1 + 7 + 2
    batch = minibatch(replay.columns, torch.arange(replay.size)[None], 3)
    numbers, steps = batch.obs[..., 0], batch.obs[..., 1]
    assert (numbers == numbers[:, :1]).all()
    assert (steps.diff(dim=1) == 1).all()
    torch.testing.assert_close(batch.act[..., 0], steps[:, :-1] / 100)
    assert batch.terminated[:, :-1].sum() == 0
    assert batch.terminated[:, -1].sum() == 1
    torch.testing.assert_close(batch.discount, 0.9 * (1 - batch.terminated))


def test_starts_are_drawn_from_what_is_stored_and_repeat():
    replay = growing()
    replay.append(*episode(0, 5), terminated=False)
    first = replay.draw(500, seed=1, step=7)
    assert first.shape == (1, 500)
    assert set(first[0].tolist()) == {0, 1, 2}
    replay.append(*episode(1, 5), terminated=False)
    later = replay.draw(500, seed=1, step=7)
    assert set(later[0].tolist()) == set(range(6))
    assert torch.equal(later, replay.draw(500, seed=1, step=7))
    assert not torch.equal(later, replay.draw(500, seed=1, step=8))
    assert not torch.equal(later, replay.draw(500, seed=2, step=7))


def test_too_many_steps_are_refused():
    replay = growing(capacity=5)
    with pytest.raises(ValueError, match="no room for 6 steps beside 0 of 5"):
        replay.append(*episode(0, 6), terminated=False)


def test_a_restored_replay_draws_the_same(tmp_path):
    replay, restored = growing(), growing()
    for number, steps in enumerate((5, 2, 6)):
        replay.append(*episode(number, steps), terminated=True)
    restored.load_state({name: value.clone() for name, value in replay.state().items()})
    assert (restored.steps, restored.size) == (replay.steps, replay.size)
    for one, other in zip(replay.columns, restored.columns, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("change", [lambda act: act.double(), lambda act: act.repeat(1, 2)])
def test_a_state_of_another_type_or_width_is_refused(change):
    replay, restored = growing(), growing()
    replay.append(*episode(0, 5), terminated=True)
    state = replay.state()
    with pytest.raises(RuntimeError, match="act is torch.float"):
        restored.load_state({**state, "act": change(state["act"])})
    assert restored.steps == 0


def test_observations_are_standardised_as_those_of_a_dataset_to_the_bit():
    data = tiny_transitions(100)
    data = replace(data, next_observations=np.roll(data.observations, -1, axis=0))
    config = TrainConfig(normalize_observations=True)
    offline = sampler_for(MBDPO(size="nano"), data, config, CPU)
    online = GrowingSampler(100, 3, 2, 3, config.discount, CPU)
    # Only the CPU's copies become arrays: scaling may lie on a GPU.
    mean, std = (SimpleNamespace(cpu=value.clone) for value in observation_scaling(data, normalize=True))
    online.extend(data, mean, std)
    for name in ("obs", "next_obs"):
        assert torch.equal(getattr(online.columns, name), getattr(offline.columns, name))


def test_online_and_offline_learn_the_same_from_the_same_data():
    """Episodes that come one by one, in columns with room to spare, against the dataset as a whole."""
    data = tiny_transitions(100)
    data = replace(data, next_observations=np.roll(data.observations, -1, axis=0))
    config = TrainConfig(steps=20, batch_size=8, normalize_observations=False, discount=0.9)
    method = MBDPO(size="nano", discount=0.9)
    offline = sampler_for(method, data, config, CPU)
    online = GrowingSampler(300, 3, 2, method.window, config.discount, CPU)
    online.extend(data, torch.zeros(3), torch.ones(3))
    assert online.size == offline.size
    learned = {}
    for name, sampler in (("offline", offline), ("online", online)):
        learner = Learner(method, config, 3, 2, [4], CPU, compiled=False)
        draws = draw_block(method.draws(8, 2), [4], 0, CPU)
        for i in range(config.steps):
            rows = online.draw(8, 4, i)
            learner.update(sampler, rows, {key: value[i] for key, value in draws.items()})
        learned[name] = learner.state()
    assert all(torch.equal(learned["online"][key], value) for key, value in learned["offline"].items())
    assert int(learned["online"]["step"]) == 20
