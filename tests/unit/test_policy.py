"""Policy files: load, act, refuse."""

import json
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
import torch

import gtp
from gtp import algorithms
from gtp.config import Execution
from gtp.errors import UserError
from gtp.files import read_tensors, write_tensor_file, write_tensors
from gtp.training.loop import train

from .training_fixtures import CONFIG, TASK, tiny_transitions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a small GTP run with seeds 4 and 7."""
    folder = tmp_path_factory.mktemp("run")
    train(
        algorithms.get("gtp")(),
        CONFIG,
        tiny_transitions(),
        (4, 7),
        output=folder,
        checkpoints=folder / "checkpoints",
        execution=Execution(device="cpu", compile="off"),
    )
    return folder


@pytest.fixture
def path(trained):
    return trained / "policy-120.safetensors"


def test_act_on_one_and_on_many_observations(path):
    policy = gtp.load_policy(path)
    observations = np.random.default_rng(0).standard_normal((5, 3))
    actions = policy.act(observations, nfe=2)
    assert actions.shape == (5, 2)
    assert actions.dtype == np.float32
    assert policy.act(observations[0], nfe=2).shape == (2,)
    policy.reset()
    assert np.array_equal(policy.act(observations, nfe=2), actions)
    policy.reset()
    assert not np.array_equal(policy.act(observations, nfe=1), actions)


def test_seeds_and_header(path):
    first, second = gtp.load_policy(path), gtp.load_policy(path, seed=7)
    assert (first.seed, second.seed, first.seeds) == (4, 7, [4, 7])
    assert first.task == TASK
    assert first.step == 120
    obs = np.zeros(3)
    assert not np.array_equal(first.act(obs), second.act(obs))
    with pytest.raises(UserError, match="has no seed 5; it contains 4, 7"):
        gtp.load_policy(path, seed=5)


def test_observations_are_standardised_and_actions_scaled_back(path):
    """A policy whose data had other units and another action box acts alike in its own units."""
    policy = gtp.load_policy(path)
    obs = np.array([0.3, -0.2, 0.9], dtype=np.float32)
    action = policy.act(obs)
    policy.reset()
    policy.observation_mean = 3.0 * policy.observation_mean + 5.0
    policy.observation_std = 3.0 * policy.observation_std
    policy.action_low, policy.action_high = torch.tensor([0.0, 0.0]), torch.tensor([4.0, 4.0])
    np.testing.assert_allclose(policy.act(3.0 * obs + 5.0), 2.0 * (action + 1.0), rtol=1e-4)


def test_a_policy_file_keeps_the_datas_scales(path):
    data, policy = tiny_transitions(), gtp.load_policy(path)
    np.testing.assert_array_equal(policy.observation_mean, data.observation_mean)
    np.testing.assert_array_equal(policy.observation_std, data.observation_std)
    np.testing.assert_array_equal(policy.action_low, data.action_low)
    np.testing.assert_array_equal(policy.action_high, data.action_high)


def test_a_policy_is_loaded_onto_the_device_that_is_asked_for(path):
    """By a device that there is everywhere, and that holds no numbers."""
    policy = gtp.load_policy(path, device="meta")
    scales = [policy.observation_mean, policy.observation_std, policy.action_low, policy.action_high]
    leaves = [leaf for own in policy.params.values() for leaf in own.values()]
    assert {tensor.device.type for tensor in scales + leaves} == {"meta"}


def test_where_an_episode_is_belongs_to_the_policy_and_not_to_its_maker():
    inside = {each.name for each in fields(gtp.Policy) if not each.init}
    assert inside == {"episodes", "actions_taken", "_noise", "_memory"}


def test_starts_of_the_evaluation_are_those_of_published_results(path):
    """Another function of (seed, episode) would be as good, but no committed score would come again."""
    first, second = (gtp.load_policy(path, seed) for seed in (4, 7))
    assert [first.start_seed(0), first.start_seed(1), second.start_seed(0)] == [
        722781540,
        1766489956,
        569084466,
    ]


def test_bad_requests_to_act(path):
    policy = gtp.load_policy(path)
    with pytest.raises(ValueError, match=r"\(4,\).*\(batch, 3\)"):
        policy.act(np.zeros(4))
    with pytest.raises(ValueError, match="nfe.*got 0"):
        policy.act(np.zeros(3), nfe=0)
    with pytest.raises(ValueError, match="'best'.*sample"):
        policy.act(np.zeros(3), acting="best")
    policy.reset([3, 4])
    with pytest.raises(ValueError, match="2 episodes; call reset"):
        policy.act(np.zeros(3))


@pytest.mark.parametrize("header", ["[]", "3", "null", '"gtp-policy"', "{", "{}"])
def test_a_header_that_is_none_is_a_foreign_file(tmp_path, header):
    write_tensor_file(tmp_path / "odd.safetensors", {"x": np.zeros(1, np.float32)}, {"header": header})
    with pytest.raises(UserError, match=r"odd\.safetensors is .*not a gtp-policy file"):
        gtp.load_policy(tmp_path / "odd.safetensors")


def test_missing_truncated_and_foreign_files(path, tmp_path):
    with pytest.raises(UserError, match="does not exist; train it again"):
        gtp.load_policy(tmp_path / "absent.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"broken.safetensors.*gtp-policy"):
        gtp.load_policy(broken)
    foreign = tmp_path / "foreign.safetensors"
    write_tensors(foreign, {"a": torch.zeros(1)}, {"format": "something-else"})
    with pytest.raises(UserError, match=r"foreign.safetensors.*gtp-policy"):
        gtp.load_policy(foreign)


def test_a_policy_of_another_version_is_refused(path, tmp_path):
    tensors, header = read_tensors(path, "gtp-policy", "")
    header["hyperparameters"]["forgotten"] = 1.0
    write_tensors(tmp_path / "old.safetensors", tensors, header)
    with pytest.raises(UserError, match=r"old.safetensors.*train it again"):
        gtp.load_policy(tmp_path / "old.safetensors")


def test_tasks_of_files_older_than_reward_normalisation_have_none(path, tmp_path):
    tensors, header = read_tensors(path, "gtp-policy", "")
    del header["task"]["reward_normalization"]
    write_tensors(tmp_path / "old.safetensors", tensors, header)
    assert gtp.load_policy(tmp_path / "old.safetensors").task == gtp.load_policy(path).task


def test_files_contain_no_pickle(trained):
    """A safetensors file is the length of a JSON header, the header, and the tensors: nothing more."""
    for file in trained.glob("*.safetensors"):
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        assert len(content) == 8 + length + end


@pytest.mark.unmutated
def test_core_needs_only_torch_and_numpy(path):
    """Training, policies and the benchmark import without simulators and without the CLI's library."""
    script = f"""
import sys
for name in ("gymnasium", "minari", "tyro", "scipy", "pandas", "matplotlib", "snakemake", "yaml", "pydantic",
             "onnx", "onnxruntime", "onnxscript"):
    sys.modules[name] = None
import numpy as np
import gtp, gtp.training.loop, gtp.evaluation.bench, gtp.data.transitions
print(gtp.load_policy({str(path)!r}).act(np.zeros(3), nfe=2).shape)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.stdout == "(2,)\n", result.stderr
