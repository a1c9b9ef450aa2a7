"""MBDPO as a method: where gradients stop, what acts from whose weights, and windows inside episodes."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from gtp import load_policy
from gtp.algorithms.common.interface import Windows, bind
from gtp.algorithms.gtp import GTP
from gtp.algorithms.mbdpo import MBDPO, MODEL, PRESETS
from gtp.config import Execution
from gtp.errors import UserError
from gtp.networks import Sizes
from gtp.training.learner import initialise
from gtp.training.loop import train
from gtp.training.samplers import minibatch, sampler_for
from gtp.training.variant import derive

from .training_fixtures import CONFIG, tiny_transitions

CPU = torch.device("cpu")
NANO = MBDPO(size="nano")
EAGER = Execution(device="cpu", compile="off", progress_seconds=60)
SIZES = Sizes(3, 2, 16, 2)


def gradients(algorithm: MBDPO, loss: str) -> dict[str, float]:
    """Norm of each network's gradient under a loss of one minibatch, from parameters that are nowhere 0."""
    generator = torch.Generator().manual_seed(0)
    modules, params = initialise(algorithm, SIZES, [0], CPU)
    leaves = {
        network: {
            name: (value[0] + 0.1 * torch.randn(value[0].shape, generator=generator)).requires_grad_()
            for name, value in own.items()
        }
        for network, own in params.items()
    }
    for own in (leaves["anchor_moments"], leaves["value_scale"]):
        own |= {name: torch.ones(()) for name in own}
    sampler = sampler_for(algorithm, tiny_transitions(), CONFIG, CPU)
    batch = minibatch(sampler.columns, torch.arange(16), algorithm.window)
    draws = {
        name: torch.rand(draw.shape, generator=generator) for name, draw in algorithm.draws(16, 2).items()
    }
    value, _, buffers = getattr(algorithm, loss)(bind(modules, leaves), batch, draws, torch.zeros(()))
    value.backward()
    assert set(buffers) == {"model_loss": {"anchor_moments"}, "prior_loss": {"value_scale"}}[loss]
    return {
        network: sum(float(p.grad.norm()) for p in own.values() if p.grad is not None)
        for network, own in leaves.items()
    }


def test_the_model_learns_from_all_of_its_losses_and_moves_neither_prior_nor_target():
    norms = gradients(NANO, "model_loss")
    assert {name for name, norm in norms.items() if norm > 0.0} == set(MODEL)


def test_the_prior_learns_alone():
    """The value heads that it climbs, and the latents that it climbs on, get no step of its optimiser."""
    assert gradients(NANO, "prior_loss")["prior"] > 0.0
    model, prior = NANO.updates()
    assert prior.moved == ("prior",)
    assert model.moved == MODEL


def test_the_anchor_sends_nothing_into_the_latents(monkeypatch):
    """Without the anchor's loss, the encoder's gradient is the same."""
    whole = gradients(NANO, "model_loss")
    monkeypatch.setattr("gtp.world_model.losses.anchor_loss", lambda positive, negative: torch.zeros(()))
    without = gradients(NANO, "model_loss")
    assert without["encoder"] == pytest.approx(whole["encoder"], rel=1e-6)
    assert without["anchor"] == 0.0 < whole["anchor"]


def test_windows_stay_inside_an_episode_and_terminate_at_their_last_step_alone():
    algorithm = replace(NANO, horizon=5)
    transitions = tiny_transitions()
    sampler = sampler_for(algorithm, transitions, CONFIG, CPU)
    windows = minibatch(sampler.columns, torch.arange(sampler.size), algorithm.window)
    assert isinstance(windows, Windows)
    assert windows.terminated[:-1].sum() == 0
    assert windows.terminated[-1].sum() == len(transitions.episode_starts)
    episode = np.repeat(np.arange(10), 20)
    starts = sampler.columns.starts.numpy()
    assert (episode[starts] == episode[starts + 4]).all()


def test_the_preset_sets_every_size_and_a_field_overrides_the_searchs():
    assert MBDPO(size="small").search_settings.samples == PRESETS["small"].samples == 128
    assert MBDPO(size="small", samples=32).search_settings.samples == 32
    parameters = [
        sum(p.numel() for net in MBDPO(size=size).networks(SIZES).values() for p in net.parameters())
        for size in ("nano", "tiny", "small")
    ]
    assert parameters == sorted(parameters)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": "medium"}, "size"),
        ({"samples": 4, "prior_sequences": 5}, "prior_sequences"),
        ({"samples": 1}, "samples"),
        ({"temperature": 0.0}, "temperature"),
        ({"horizon": 0}, "horizon"),
        ({"discount": 1.5}, "discount"),
    ],
)
def test_impossible_settings_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        MBDPO(**wrong)


def test_rewards_reach_the_model_in_its_units():
    assert NANO.for_reward_unit(30.0).reward_unit == 30.0
    assert NANO.for_discount(0.9).discount == 0.9
    assert replace(NANO, discount=0.5).for_discount(0.9).discount == 0.5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished training."""
    folder = tmp_path_factory.mktemp("run")
    config = replace(CONFIG, steps=20, snapshots=2)
    arguments = {"checkpoints": folder / "checkpoints", "execution": EAGER}
    train(NANO, config, tiny_transitions(), (0, 1), output=folder / "mbdpo", label="mbdpo", **arguments)
    return folder / "mbdpo"


def test_the_plan_is_remembered_from_one_action_to_the_next(run):
    policy = load_policy(run / "policy-20.safetensors")
    obs = np.zeros((2, 3), dtype=np.float32)
    policy.reset()
    first = policy.act(obs, nfe=3)
    second = policy.act(obs, nfe=3)
    policy.reset()
    assert np.array_equal(policy.act(obs, nfe=3), first)
    assert not np.array_equal(second, first)
    policy._memory = None  # forget the plan alone, the noise goes on
    assert not np.array_equal(policy.act(obs, nfe=3), second)


def test_a_variant_acts_otherwise_from_the_same_weights(run, tmp_path):
    derive(run, replace(NANO, search=False), tmp_path / "prior", "prior")
    policy, trained = (
        load_policy(folder / "policy-20.safetensors", 1) for folder in (tmp_path / "prior", run)
    )
    assert policy.label == "prior"
    assert policy.algorithm == replace(trained.algorithm, search=False)
    obs = np.zeros((1, 3), dtype=np.float32)
    assert np.array_equal(policy.act(obs, nfe=5), trained.act(obs, nfe=1))
    assert json.loads((tmp_path / "prior/run.json").read_text())["weights_of"] == "mbdpo"
    for name in ("training.csv",):
        assert (tmp_path / "prior" / name).read_bytes() == (run / name).read_bytes()


def test_a_folder_keeps_its_policies_unless_told_otherwise(run, tmp_path, capsys):
    settings, out = (run, replace(NANO, search=False), tmp_path / "out"), tmp_path / "out"
    assert derive(*settings, "prior", overwrite=False)
    assert not derive(*settings, "prior", overwrite=False)
    assert "holds this very run already; --overwrite True" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        derive(*settings, "other", overwrite=False)
    assert load_policy(out / "policy-20.safetensors").label == "prior"
    (out / "policy-7.safetensors").write_text("of an older run")
    assert derive(*settings, "other")
    assert {path.name for path in out.glob("policy-*")} == {path.name for path in run.glob("policy-*")}
    assert load_policy(out / "policy-20.safetensors").label == "other"
    with pytest.raises(UserError, match="holds the weights themselves; choose another"):
        derive(run, replace(NANO, search=False), run, "prior")
    assert load_policy(run / "policy-20.safetensors").label == "mbdpo"


def test_what_belongs_to_training_cannot_be_changed_afterwards(run, tmp_path):
    refused = partial(derive, run, output=tmp_path / "out", label="x")
    with pytest.raises(UserError, match="scrambled_pairs"):
        refused(algorithm=replace(NANO, scrambled_pairs=True))
    with pytest.raises(UserError, match="mbdpo"):
        refused(algorithm=GTP())
    with pytest.raises(UserError, match=r"run\.json"):
        derive(tmp_path, NANO, tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()
