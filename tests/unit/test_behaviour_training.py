import json
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from gtp.data.generate.behaviour import policy, training
from gtp.data.generate.behaviour.policy import load_policies
from gtp.data.generate.behaviour.robots import ROBOTS, Robot, Training
from gtp.data.generate.behaviour.state import FORMAT, load_state, save_state
from gtp.data.generate.behaviour.training import evenly_spaced, find_medium, train_behaviour
from gtp.errors import UserError
from gtp.files import read_tensors, write_tensors

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


def test_run_ships_policies_curve_and_record(tiny, tmp_path, monkeypatch):
    work, output = tiny
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
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
    assert not list((tmp_path / "temporary").glob("SB3*"))


def test_shipped_policy_acts_as_the_model_that_was_trained(tiny):
    work, output = tiny
    train_behaviour("hopper", work, output)
    model = new_model()
    load_state(model, "hopper", work / "state-00000256.safetensors")
    normalize = model.get_vec_normalize_env()
    expert = load_policies("hopper").expert
    for observation in np.random.default_rng(0).normal(size=(5, 11)):
        expected, _ = model.predict(normalize.normalize_obs(observation), deterministic=True)
        np.testing.assert_allclose(expert.act(observation), expected, atol=1e-5)


def test_interrupted_run_goes_on_from_its_last_state(tiny, monkeypatch, capsys):
    work, output = tiny
    monkeypatch.setattr(training.Snapshots, "on_rollout_start", interrupt_after(128))
    with pytest.raises(KeyboardInterrupt):
        train_behaviour("hopper", work, output)
    assert list(output.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setitem(ROBOTS, "hopper", Robot(training=TINY))
    train_behaviour("hopper", work, output)
    assert "going on from step 128" in capsys.readouterr().err
    curve = np.genfromtxt(output / "hopper.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(curve["step"], [0, 64, 128, 192, 256])


def new_model(width: int = TINY.width) -> PPO:
    """A model of the tiny run, as yet untrained."""
    simulators = DummyVecEnv([lambda: training.make_environment(TINY)] * TINY.simulators)
    kwargs = {"n_steps": TINY.rollout, "batch_size": TINY.batch_size, "n_epochs": TINY.epochs}
    return PPO("MlpPolicy", VecNormalize(simulators), policy_kwargs={"net_arch": [width] * 2}, **kwargs)


def test_state_is_tensors_and_comes_back_whole(tiny, tmp_path):
    work, output = tiny
    train_behaviour("hopper", work, output)
    assert [path.name for path in work.glob("state-*")] == ["state-00000256.safetensors"]
    assert not list(work.glob("*.zip")) + list(work.glob("*.pkl"))
    model = new_model()
    load_state(model, "hopper", work / "state-00000256.safetensors")
    save_state(model, "hopper", tmp_path / "again.safetensors")
    first, second = (
        read_tensors(path, FORMAT, "")
        for path in (work / "state-00000256.safetensors", tmp_path / "again.safetensors")
    )
    assert first[1] == second[1]
    assert first[0].keys() == second[0].keys()
    assert all(torch.equal(value, second[0][name]) for name, value in first[0].items())
    assert {name.split("/")[0] for name in first[0]} == {"policy", "adam", "obs_rms", "ret_rms"}


@pytest.mark.parametrize("change", ["robot", "steps", "width", "pickle", "truncated"])
def test_state_that_is_another_or_damaged_is_one_line(change, tiny, tmp_path):
    work, output = tiny
    train_behaviour("hopper", work, output)
    path = work / "state-00000256.safetensors"
    tensors, header = read_tensors(path, FORMAT, "")
    model = new_model(16 if change == "width" else TINY.width)
    if change == "robot":
        write_tensors(path, tensors, header | {"robot": "ant"})
    elif change == "steps":
        write_tensors(path, tensors, header | {"steps": "many"})
    elif change == "pickle":
        path.write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
    elif change == "truncated":
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="delete it to begin anew"):
        load_state(model, "hopper", path)
    assert not (tmp_path / "ran").exists()


@dataclass
class Marker:
    """What touches a file when it is unpickled."""

    path: Path

    def __reduce__(self):
        return Path.touch, (self.path,)


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
