import json

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from gtp.data.generate.behaviour import policy, training
from gtp.data.generate.behaviour.policy import load_policies
from gtp.data.generate.behaviour.robots import ROBOTS, Robot, Training
from gtp.data.generate.behaviour.training import evenly_spaced, find_medium, train_behaviour

TINY = Training(
    environment="Hopper-v5",
    steps=256,
    horizon=50,
    width=8,
    tiers=True,
    simulators=2,
    rollout=32,
    batch_size=32,
    epochs=1,
    snapshot_rollouts=1,
)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Work and output folders of a training run of four rollouts that keeps its state after each."""
    monkeypatch.setitem(ROBOTS, "hopper", Robot(training=TINY))
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 1)
    monkeypatch.setattr(policy, "FOLDER", tmp_path / "output")
    load_policies.cache_clear()
    yield tmp_path / "work", tmp_path / "output"
    load_policies.cache_clear()


def test_run_ships_policies_curve_and_record(tiny):
    work, output = tiny
    train_behaviour("hopper", work, output, seed=3, command="gtp behaviour train ...")
    shipped = load_policies("hopper")
    record = json.loads((output / "hopper.json").read_text())
    curve = np.genfromtxt(output / "hopper.csv", delimiter=",", names=True)
    assert shipped.steps[0] == 0
    assert shipped.steps[-1] == 256
    np.testing.assert_array_equal(curve["step"], [0, 64, 128, 192, 256])
    assert np.isnan(curve["episode_return"][0])
    assert curve["episode_return"][-1] > 0
    assert (record["seed"], record["training"]["steps"]) == (3, 256)
    assert record["shipped"][-1]["step"] == 256


def test_shipped_policy_acts_as_the_model_that_was_trained(tiny):
    work, output = tiny
    train_behaviour("hopper", work, output)
    model = PPO.load(work / "state-00000256.zip", device="cpu")
    normalize = VecNormalize.load(
        str(work / "state-00000256.pkl"), training.DummyVecEnv([lambda: training.make_environment(TINY)])
    )
    expert = load_policies("hopper").expert
    for observation in np.random.default_rng(0).normal(size=(5, 11)):
        expected, _ = model.predict(normalize.normalize_obs(observation), deterministic=True)
        np.testing.assert_allclose(expert.act(observation), expected, atol=1e-5)


def test_interrupted_run_goes_on_from_its_last_state(tiny, monkeypatch, capsys):
    work, output = tiny
    monkeypatch.setattr(training.Snapshots, "on_rollout_start", interrupt_after(128))
    with pytest.raises(KeyboardInterrupt):
        train_behaviour("hopper", work, output)
    assert not output.exists()
    monkeypatch.undo()
    monkeypatch.setitem(ROBOTS, "hopper", Robot(training=TINY))
    train_behaviour("hopper", work, output)
    assert "going on from step 128" in capsys.readouterr().err
    curve = np.genfromtxt(output / "hopper.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(curve["step"], [0, 64, 128, 192, 256])


def interrupt_after(steps: int):
    original = training.Snapshots.on_rollout_start

    def interrupted(self):
        original(self)
        if self.num_timesteps >= steps:
            raise KeyboardInterrupt

    return interrupted


def test_unknown_robot_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'humanoid'; choose one of hop"):
        train_behaviour("humanoid", tmp_path, tmp_path)


def test_medium_is_the_first_policy_with_a_third_of_the_last_return():
    assert find_medium([None, 5.0, 29.0, 31.0, 60.0, 90.0]) == 3


@pytest.mark.parametrize(
    ("first", "last", "count", "expected"),
    [(0, 3, 16, [0, 1, 2, 3]), (0, 30, 4, [0, 10, 20, 30]), (5, 9, 3, [5, 7, 9]), (0, 0, 3, [0])],
)
def test_policies_on_the_way_are_evenly_spaced(first, last, count, expected):
    assert evenly_spaced(first, last, count) == expected
