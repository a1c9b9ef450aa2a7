import json

import numpy as np
import pytest
import torch

from gtp.data.generate.behaviour import policy
from gtp.data.generate.behaviour.policy import BehaviourPolicy, load_policies, policies_file, save_policies
from gtp.data.generate.behaviour.robots import ROBOTS, RUNNERS
from gtp.errors import UserError

SIZES = {"hopper": (11, 3), "halfcheetah": (17, 6), "walker2d": (17, 6), "ant": (30, 8)}


def snapshot(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {
        "weight.0": (3, 4),
        "bias.0": (4,),
        "weight.1": (4, 2),
        "bias.1": (2,),
        "mean": (3,),
        "std": (3,),
        "log_std": (2,),
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return arrays | {"std": np.abs(arrays["std"]) + 0.1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in the place of the shipped policies."""
    monkeypatch.setattr(policy, "FOLDER", tmp_path)
    load_policies.cache_clear()
    yield tmp_path
    load_policies.cache_clear()


def test_file_gives_back_the_policies_in_order(folder):
    rng = np.random.default_rng(0)
    snapshots = [snapshot(rng) for _ in range(3)]
    save_policies(folder / "hopper.safetensors", "hopper", [0, 10, 90], snapshots, medium=1)
    loaded = load_policies("hopper")
    assert loaded.steps == (0, 10, 90)
    assert loaded.expert is loaded.policies[2]
    assert loaded.medium is loaded.policies[1]
    assert [id(p) for p in loaded.until_medium] == [id(p) for p in loaded.policies[:2]]
    assert loaded.whole_training == loaded.policies
    for written, read in zip(snapshots, loaded.policies, strict=True):
        np.testing.assert_array_equal(read.weights[1], written["weight.1"])
        assert read.weights[0].dtype == np.float64


def test_action_is_the_networks_of_torch():
    arrays = {name: array.astype(np.float64) for name, array in snapshot(np.random.default_rng(1)).items()}
    acting = BehaviourPolicy(
        weights=(arrays["weight.0"], arrays["weight.1"]),
        biases=(arrays["bias.0"], arrays["bias.1"]),
        mean=arrays["mean"],
        std=arrays["std"],
        log_std=arrays["log_std"],
    )
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    observation = np.array([0.3, -0.2, 400.0])  # the last is clipped at ten standard deviations
    scaled = ((torch.from_numpy(observation) - tensors["mean"]) / tensors["std"]).clamp(-10, 10)
    hidden = torch.tanh(torch.nn.functional.linear(scaled, tensors["weight.0"].T, tensors["bias.0"]))
    mean = torch.nn.functional.linear(hidden, tensors["weight.1"].T, tensors["bias.1"])
    np.testing.assert_allclose(acting.act(observation), mean.clamp(-1, 1), atol=1e-7)
    samples = np.stack([acting.act(observation, np.random.default_rng(i)) for i in range(50)])
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    assert samples.std(axis=0).min() > 0
    np.testing.assert_array_equal(acting.act(observation, np.random.default_rng(7)), samples[7])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "restore it with git checkout"),
        (b"\x10\0\0\0\0\0\0\0{}", "restore it with git checkout"),
    ],
)
def test_unusable_files_are_one_line_with_the_remedy(content, message, folder):
    if content is not None:
        (folder / "hopper.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        load_policies("hopper")
    assert "hopper.safetensors" in str(error.value)
    assert "snakemake behaviour_policies" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("robot", ROBOTS)
def test_shipped_policies_are_small_and_their_record_tells_where_they_come_from(robot):
    path = policies_file(robot)
    assert path.stat().st_size <= 1_000_000
    shipped, record = load_policies(robot), json.loads(path.with_suffix(".json").read_text())
    observation, action = SIZES[robot]
    assert shipped.expert.act(np.zeros(observation)).shape == (action,)
    assert [row["step"] for row in record["shipped"]] == list(shipped.steps)
    assert record["command"].startswith(f"gtp behaviour train --robot {robot}")
    assert {"stable-baselines3", "torch", "mujoco", "gymnasium"} <= record["versions"].keys()
    curve = np.genfromtxt(path.with_suffix(".csv"), delimiter=",", names=True)
    assert curve["step"][-1] == shipped.steps[-1] >= record["training"]["steps"]
    returns = curve["episode_return"]
    assert returns[-1] > 0.8 * np.nanmax(returns)  # the last policy, and training did not collapse


@pytest.mark.parametrize("robot", RUNNERS)
def test_medium_policy_is_the_first_with_a_third_of_the_experts_return(robot):
    shipped = json.loads(policies_file(robot).with_suffix(".json").read_text())["shipped"]
    curve = np.genfromtxt(policies_file(robot).with_suffix(".csv"), delimiter=",", names=True)
    third = shipped[-1]["episode_return"] / 3
    with np.errstate(invalid="ignore"):
        first = np.flatnonzero(curve["episode_return"] >= third)[0]
    medium = load_policies(robot).medium_index
    assert shipped[medium]["step"] == curve["step"][first]
    assert medium < 16
    assert len(shipped) <= 24
    assert shipped[0]["step"] == 0
