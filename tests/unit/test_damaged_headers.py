"""Files that we write: every changed byte is noticed, and a header that lies costs one line and no memory."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import gtp
from gtp import algorithms
from gtp.config import Execution, TaskSpec, TrainConfig
from gtp.data.generate.behaviour import policy as behaviour
from gtp.data.generate.behaviour.policy import load_policies
from gtp.data.transitions import load_transitions, save_transitions
from gtp.errors import UserError, shorten
from gtp.files import parse_json, read_tensor_file, read_tensors, write_tensors
from gtp.plain import build
from gtp.training.checkpoint import load_checkpoint, save_checkpoint
from gtp.training.loop import train

from .training_fixtures import CONFIG, TASK, tiny_transitions


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(
        algorithms.get("td3_bc")(),
        replace(CONFIG, steps=2, snapshots=1, hidden_size=4),
        tiny_transitions(20),
        (0, 1),
        output=folder,
        checkpoints=folder / "checkpoints",
        execution=Execution(device="cpu", compile="off"),
    )
    return folder / "policy-2.safetensors"


def changed_policy(policy, folder, tensors=None, **header):
    """A policy file with other tensors or other entries of its header, and the checksum of those."""
    old_tensors, old = read_tensors(policy, "gtp-policy", "")
    write_tensors(folder / "odd.safetensors", old_tensors if tensors is None else tensors, old | header)
    return folder / "odd.safetensors"


def refusal(path) -> str:
    with pytest.raises(UserError) as error:
        gtp.load_policy(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


def test_a_changed_byte_is_noticed_wherever_it_is(policy, tmp_path):
    whole = policy.read_bytes()
    reference = gtp.load_policy(policy).act(np.ones(3))
    for place in np.linspace(0, len(whole) - 1, 80).astype(int):
        content = bytearray(whole)
        content[place] ^= 1
        (tmp_path / "flipped.safetensors").write_bytes(content)
        try:
            loaded = gtp.load_policy(tmp_path / "flipped.safetensors")
        except UserError:
            continue
        np.testing.assert_array_equal(loaded.act(np.ones(3)), reference)  # a space for a space
    content = bytearray(whole)
    content[-3] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(content)
    assert "is damaged: it has changed since it was written" in refusal(tmp_path / "flipped.safetensors")


def test_a_file_without_a_checksum_is_refused(policy, tmp_path):
    arrays, header = read_tensor_file(policy, "gtp-policy", "a policy", "")
    save_file(arrays, tmp_path / "old.safetensors", metadata={"header": json.dumps(header)})
    assert "has no checksum, so an older version of gtp wrote it" in refusal(tmp_path / "old.safetensors")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"seeds": []}, "seeds are ()"),
        ({"seeds": "01"}, "seeds is '01' where a list or mapping is expected"),
        ({"seeds": [0, 0]}, "seeds are (0, 0)"),
        ({"seeds": [0]}, "diverged_at has 2 entries for 1 seeds"),
        ({"seeds": [0, 1, 2], "diverged_at": [-1] * 3}, "of shape (2, "),
        ({"diverged_at": [-1, 3]}, "diverged_at is (-1, 3) in step 2"),
        ({"step": 1.5}, "step is 1.5 where a whole number is expected"),
        ({"step": True}, "step is True where a whole number is expected"),
        ({"hidden_layers": 10**7}, "hidden_layers must be at most 1000, got 1e+07"),
        ({"hidden_size": 10**9}, "hidden_size must be at most 65536"),
        ({"hidden_size": 60_000, "hidden_layers": 900}, "is missing"),
        ({"hidden_size": 5}, "is expected"),
        ({"critic_layer_norm": 1}, "critic_layer_norm is 1 where true or false is expected"),
        ({"reward_unit": float("nan")}, "reward_unit is nan where a finite number is expected"),
        ({"reward_unit": -1.0}, "reward_unit is -1.0"),
        ({"label": ["x"] * 1000}, "where text is expected"),
        ({"surplus": 1}, "'surplus' is unknown"),
        ({"task": None}, "task is None where a mapping is expected"),
        ({"task": {}}, "task.name is missing"),
        ({"task": asdict(TASK) | {"max_episode_steps": 10**12}}, "must be at most 1000000, got 1e+12"),
        ({"task": asdict(TASK) | {"action_repeat": 10**9}}, "action_repeat must be at most 1000"),
        ({"task": asdict(TASK) | {"name": "../x"}}, "name '../x' is not a name"),
        ({"task": asdict(TASK) | {"start_cell": [1]}}, "task.start_cell has 1 entries where 2 are expected"),
        ({"algorithm": "../../evil"}, "unknown algorithm '../../evil'"),
        ({"algorithm": "iql"}, "another version of gtp"),
        ({"hyperparameters": {"alpha": "2"}}, "hyperparameters.alpha is '2' where a finite number is expect"),
        ({"hyperparameters": {"policy_delay": 0}}, "another version of gtp"),
    ],
)
def test_a_header_that_lies_is_one_line(header, message, policy, tmp_path):
    assert message in refusal(changed_policy(policy, tmp_path, **header))


def test_tensors_are_those_of_the_network_that_the_header_describes(policy, tmp_path):
    tensors, _ = read_tensors(policy, "gtp-policy", "")
    name = next(name for name in tensors if name.startswith("params/actor"))
    for change, message in (
        ({name: tensors[name].double()}, "is torch.float64 of shape"),
        ({name: tensors[name][:1]}, "of shape (1,"),
        ({"params/actor/surplus": tensors[name]}, "params/actor/surplus is not expected"),
        ({"scaling/observation_std": -tensors["scaling/observation_std"]}, "is not positive"),
        ({"scaling/action_low": tensors["scaling/action_high"]}, "action_low does not lie below action_high"),
        ({"scaling/observation_mean": torch.full((3,), torch.nan)}, "observation_mean is not finite"),
    ):
        assert message in refusal(changed_policy(policy, tmp_path, tensors | change))
    del tensors[name]
    assert f"{name} is missing" in refusal(changed_policy(policy, tmp_path, tensors))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.complex64])
def test_types_that_nobody_writes_are_one_line(kind, policy, tmp_path):
    # Where it is imported, numpy has its types: what is refused must not depend on that.
    pytest.importorskip("ml_dtypes")
    from safetensors.torch import save_file as save_torch

    _, header = read_tensors(policy, "gtp-policy", "")
    metadata = {"header": json.dumps(header | {"content_sha256": "0"})}
    save_torch({"x": torch.zeros(3, dtype=kind)}, tmp_path / "odd.safetensors", metadata)
    refusal(tmp_path / "odd.safetensors")


def test_header_of_transitions_is_a_task(tmp_path):
    path = tmp_path / "t.safetensors"
    save_transitions(path, tiny_transitions())
    arrays, header = read_tensors(path, "gtp-transitions-2", "")
    task = header["task"] | {"max_episode_steps": "10"}
    write_tensors(path, arrays, header | {"task": task})
    with pytest.raises(UserError, match=r"task.max_episode_steps is '10' where a whole number is expected"):
        load_transitions(path)
    write_tensors(path, arrays, header | {"task": header["task"] | {"maze": "umaze"}})
    with pytest.raises(UserError, match="a maze task needs both start_cell and goal_cell"):
        load_transitions(path)


LOG = [[10, 1.5, ["loss"], [[0.5, float("nan")]]]]


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    state = {"step": torch.tensor(20), "params/a/b": torch.zeros(2, 3)}
    save_checkpoint(path, state, run_digest="r", step=20, log=LOG, seconds=3.0)
    return path, state


def test_checkpoint_comes_back(checkpoint):
    path, state = checkpoint
    loaded, header = load_checkpoint(path, "r", state, [30])
    assert all(torch.equal(value, loaded[name]) for name, value in state.items())
    assert (header.step, header.seconds, repr(header.log)) == (20, 3.0, repr(LOG))


def test_checkpoint_names_its_run_and_may_be_of_the_first_step(checkpoint):
    path, state = checkpoint
    first = state | {"step": torch.tensor(1)}
    with pytest.raises(TypeError, match="positional"):
        save_checkpoint(path, first, "r")
    save_checkpoint(path, first, run_digest="r", step=1, log=[], seconds=0.0)
    assert load_checkpoint(path, "r", first, [])[1].step == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"step": 30}, "does not hold the state of its run"),
        ({"step": 0}, "step is 0"),
        ({"seconds": -1.0}, "seconds are -1.0"),
        ({"log": [[30, 1.0, [], []]]}, "the log has the entry"),
        ({"log": [[10, 0.5, [], []], [10, 1.0, [], []]]}, r"the log has the entry \[10, 1.0"),
        ({"log": [[5, 1.0, ["a"], []]]}, "the log has the entry"),
        ({"log": [1]}, "the log has the entry 1"),
        ({"log": [[5, "1", ["a"], [[0.5]]]]}, "the log has the entry"),
        ({"log": [[5, 1.0, [3], [[0.5]]]]}, "the log has the entry"),
        ({"log": [[5, 1.0, ["a"], [["x"]]]]}, "the log has the entry"),
        ({"log": [[5, 1.0, ["a", "b"], [[0.5], [0.5, 1.0]]]]}, "the log has the entry"),
        ({"log": [[5, 1.0, ["a", "b"], [[0.5], 1.0]]]}, "the log has the entry"),
        ({"run": "other"}, "belongs to another run"),
    ],
)
def test_checkpoint_whose_header_lies_is_refused(header, message, checkpoint):
    path, state = checkpoint
    tensors, old = read_tensors(path, "gtp-checkpoint", "")
    write_tensors(path, tensors, old | header)
    with pytest.raises(UserError, match=message):
        load_checkpoint(path, "r", state, [])


@pytest.mark.parametrize(
    "change",
    [{"params/a/b": torch.zeros(2, 4)}, {"params/a/b": torch.zeros(2, 3).double()}, {"more": torch.zeros(1)}],
)
def test_checkpoint_of_another_state_is_refused(change, checkpoint):
    path, state = checkpoint
    save_checkpoint(path, state | change, run_digest="r", step=20, log=LOG, seconds=3.0)
    with pytest.raises(UserError, match="does not hold the state of its run"):
        load_checkpoint(path, "r", state, [])


def test_checkpoint_without_the_policies_before_it_is_refused(checkpoint):
    path, state = checkpoint
    with pytest.raises(UserError, match=r"policy-10.safetensors is missing, which was written before"):
        load_checkpoint(path, "r", state, [10, 20])
    for step in (10, 20):
        path.with_name(f"policy-{step}.safetensors").touch()
    load_checkpoint(path, "r", state, [10, 20, 30])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"robot": "ant"}, "it is that of 'ant'"),
        ({"steps": [0]}, "medium is"),
        ({"medium": -1}, "medium is -1"),
        ({"steps": "0"}, "steps is '0'"),
    ],
)
def test_header_of_behaviour_policies_is_checked(change, message, tmp_path, monkeypatch):
    arrays, header = read_tensors(behaviour.policies_file("hopper"), behaviour.FORMAT, "")
    write_tensors(tmp_path / "hopper.safetensors", arrays, header | change)
    monkeypatch.setattr(behaviour, "FOLDER", tmp_path)
    load_policies.cache_clear()
    with pytest.raises(UserError, match=message):
        load_policies("hopper")
    load_policies.cache_clear()


def test_arrays_of_behaviour_policies_are_a_network(tmp_path, monkeypatch):
    arrays, header = read_tensors(behaviour.policies_file("hopper"), behaviour.FORMAT, "")
    monkeypatch.setattr(behaviour, "FOLDER", tmp_path)
    for change in (
        {"bias.0": arrays["bias.0"][:, :-1]},
        {"std": -arrays["std"]},
        {"mean": arrays["mean"].double()},
        {"weight.0": torch.full_like(arrays["weight.0"], torch.nan)},
    ):
        write_tensors(tmp_path / "hopper.safetensors", arrays | change, header)
        load_policies.cache_clear()
        with pytest.raises(UserError, match="is not a file of behaviour policies"):
            load_policies("hopper")
    load_policies.cache_clear()


def test_deep_json_and_huge_numbers_are_values_errors():
    for text in ("[" * 100_000, '{"a":' * 100_000, "9" * 5000):
        with pytest.raises(ValueError, match=r"nested too deeply|digits|Expecting"):
            parse_json(text)
    assert shorten(10**5000) == "a very long int"
    assert len(shorten("x" * 1000)) <= 60


def test_what_json_has_becomes_the_dataclass_again():
    for value in (TASK, TrainConfig(), replace(TASK, maze="umaze", start_cell=(1, 1), goal_cell=(3, 1))):
        assert build(type(value), json.loads(json.dumps(asdict(value)))) == value
    for name in algorithms.names():
        algorithm = algorithms.get(name)()
        assert build(type(algorithm), json.loads(json.dumps(asdict(algorithm)))) == algorithm
    with pytest.raises(ValueError, match="t.reward_scale is 1000.* where a finite number is expected"):
        build(TaskSpec, asdict(TASK) | {"reward_scale": 10**400}, "t")
