"""No file chooses what is imported: an environment id with a module comes from the user alone."""

import sys
from dataclasses import replace

import pytest

import gtp
from gtp import algorithms
from gtp.config import Execution, TaskSpec
from gtp.data.transitions import load_transitions, save_transitions
from gtp.envs.make import make_simulator
from gtp.errors import UserError
from gtp.evaluation.rollouts import evaluate
from gtp.training.loop import train

from .training_fixtures import CONFIG, tiny_transitions

NAMED = "own_world:Bandit-v0"
MODULE = """
from pathlib import Path
import gymnasium as gym

Path(__file__).with_name("imported").touch()


class Bandit(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (3,))
    action_space = gym.spaces.Box(-1, 1, (2,))

    def reset(self, *, seed=None, options=None):
        return self.observation_space.low, {}

    def step(self, action):
        return self.observation_space.low, 1.0, False, False, {}


gym.register("Bandit-v0", entry_point=Bandit)
"""


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """A policy trained from a file of transitions whose task names an environment in a module of its own."""
    (tmp_path / "own_world.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_world", raising=False)
    task = TaskSpec(name="own", environment=NAMED, max_episode_steps=3)
    save_transitions(tmp_path / "own.safetensors", replace(tiny_transitions(), task=task))
    train(
        algorithms.get("gaussian_bc")(),
        replace(CONFIG, steps=1, snapshots=1),
        load_transitions(tmp_path / "own.safetensors"),
        (0,),
        output=tmp_path / "run",
        checkpoints=tmp_path / "checkpoints",
        execution=Execution(device="cpu", compile="off"),
    )
    assert not (tmp_path / "imported").exists()
    return tmp_path / "run" / "policy-1.safetensors"


@pytest.mark.parametrize("named", [None, "other:Bandit-v0", "Bandit-v0"])
def test_module_that_a_file_names_is_not_imported(named, policy, tmp_path):
    with pytest.raises(UserError, match=f"names the environment '{NAMED}', which would import own_world"):
        gtp.load_policy(policy, environment=named)
    with pytest.raises(UserError, match="name it yourself as --environment"):
        evaluate([policy], [1], 1, environment=named)
    assert not (tmp_path / "imported").exists()


def test_module_that_the_user_names_is_imported(policy, tmp_path):
    rows, _ = evaluate([policy], [1], 2, environment=NAMED)
    assert [row.episode_return for row in rows] == [3.0, 3.0]
    assert (tmp_path / "imported").exists()


def test_module_that_is_missing_is_one_line():
    with pytest.raises(UserError, match=r"cannot make environment 'no_world:Bandit-v0': .*no_world"):
        make_simulator("no_world:Bandit-v0")
