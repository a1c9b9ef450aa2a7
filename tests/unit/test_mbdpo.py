"""MBDPO as a method: where gradients stop, what acts from whose weights, and windows inside episodes."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from gtp import load_policy
from gtp.algorithms.common.interface import Optimizer, Windows, bind
from gtp.algorithms.gtp import GTP
from gtp.algorithms.mbdpo import MBDPO, MODEL, PRESETS
from gtp.config import Execution
from gtp.errors import UserError
from gtp.evaluation.cost import measure
from gtp.networks import Sizes
from gtp.training.learner import initialise
from gtp.training.loop import train
from gtp.training.samplers import minibatch, sampler_for
from gtp.training.variant import derive
from gtp.world_model import losses
from gtp.world_model.model import WorldModel
from gtp.world_model.planner import Search
from gtp.world_model.regression import decode

from .one_step import tiny_step
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


def one_step(algorithm: MBDPO):
    """Networks whose values are nowhere 0, with averages of other ones, a batch and draws of one step."""
    generator = torch.Generator().manual_seed(0)
    modules, params = initialise(algorithm, SIZES, [0], CPU)
    for name, own in params.items():
        if name not in ("anchor_moments", "value_scale"):
            for leaf in own:
                own[leaf] = own[leaf][0] + 0.3 * torch.randn(own[leaf][0].shape, generator=generator)
    params["anchor_moments"] = {"mean": torch.tensor(0.2), "std": torch.tensor(1.5)}
    params["value_scale"] = {"scale": torch.tensor(3.0)}
    batch, draws = tiny_step(algorithm, generator)
    return bind(modules, params), batch, draws


def test_the_models_loss_by_hand():
    algorithm = MBDPO(size="small", reward_unit=2.0, rho=0.7)
    networks, batch, draws = one_step(algorithm)
    batch = batch._replace(terminated=batch.terminated + 0.25)
    model = WorldModel.of(networks)
    end = networks["encoder"](batch.backup_obs)
    next_act = model.sample(end, draws["next_action"])
    first, second, third = decode(networks["values_ema"](end, next_act))
    end_q = torch.minimum(first, second)
    assert (third < end_q).any()  # does not count
    target = 2.0 * batch.backup_rew + batch.discount * end_q
    latents = [networks["encoder"](batch.obs[0])]
    for act in batch.act:
        latents.append(networks["dynamics"](latents[-1], act))
    latents = torch.stack(latents)
    before, after = latents[:-1], latents[1:]
    negatives = losses.hard_negatives(
        model, before, *(draws[name] for name in ("negative", "jitter", "uniform"))
    )
    positive, negative = networks["anchor"](before, batch.act), networks["anchor"](before, negatives)
    parts = {
        "consistency": losses.consistency_loss(after, networks["encoder"](batch.obs[1:]), 0.7),
        "reward": losses.reward_loss(networks["reward"](before, batch.act), 2.0 * batch.rew, 0.7),
        "value": losses.value_loss(networks["values"](before, batch.act), target, 0.7),
        "termination": losses.termination_loss(networks["termination"](after), batch.terminated),
        "anchor": losses.anchor_loss(positive, negative),
    }
    total, logged, buffers = algorithm.model_loss(networks, batch, draws, torch.zeros(()))
    for name, value in parts.items():
        torch.testing.assert_close(logged[f"loss/{name}"], value)
    weights = {"consistency": 20.0, "reward": 0.1, "value": 0.1, "termination": 1.0, "anchor": 1.0}
    torch.testing.assert_close(total, sum(weights[name] * value for name, value in parts.items()))
    moments = losses.moved_moments(torch.tensor(0.2), torch.tensor(1.5), positive, negative)
    torch.testing.assert_close(buffers, {"anchor_moments": moments})
    torch.testing.assert_close(logged["anchor/data"], positive.mean())
    torch.testing.assert_close(logged["anchor/other"], negative.mean())
    torch.testing.assert_close(logged["q/mean"], decode(networks["values"](before, batch.act)[0]).mean())


def test_scrambled_pairs_reach_the_anchor_alone():
    networks, batch, draws = one_step(NANO)
    plain, scrambled = (
        replace(NANO, scrambled_pairs=each).model_loss(networks, batch, draws, torch.zeros(()))[1]
        for each in (False, True)
    )
    different = {name for name in plain if not torch.equal(plain[name], scrambled[name])}
    assert different == {"loss/anchor", "anchor/data"}


def test_the_priors_loss_by_hand():
    algorithm = replace(NANO, rho=0.7, entropy=0.01, cloning=0.5)
    networks, batch, draws = one_step(algorithm)
    model = WorldModel.of(networks)
    latents = model.rollout(networks["encoder"](batch.obs[0]), batch.act)
    mean, log_std = networks["prior"](latents)
    act = torch.tanh(mean + log_std.exp() * draws["prior"])
    q = decode(networks["values"](latents, act)).mean(dim=0)
    scale = losses.moved_scale(torch.tensor(3.0), q[0])
    expected = losses.prior_loss(q, log_std, draws["prior"], scale, 0.7, 0.01)
    expected = expected + 0.5 * (mean[:-1].tanh() - batch.act).square().mean()
    loss, logged, buffers = algorithm.prior_loss(networks, batch, draws, torch.zeros(()))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(buffers, {"value_scale": {"scale": scale}})
    torch.testing.assert_close(logged["q/prior"], q.mean())
    torch.testing.assert_close(logged["prior/std"], log_std.exp().mean())


def test_optimisers_are_the_releases():
    model, prior = replace(NANO, learning_rate=1e-3).updates()
    assert model.optimizer == Optimizer(learning_rate=1e-3, factors={"encoder": 0.3}, gradient_clip=20.0)
    assert prior.optimizer == Optimizer(learning_rate=1e-3, gradient_clip=20.0, epsilon=1e-5)
    assert (model.name, prior.name) == ("model", "prior")
    assert [(average.network, average.decay) for average in NANO.averages] == [("values", 0.99)]


def test_a_search_costs_its_imagined_steps_and_takes_its_noise():
    algorithm = MBDPO(size="full", horizon=4)
    assert [algorithm.evaluations(nfe) for nfe in (1, 2, 5)] == [1, 512 * 4, 4 * 512 * 4]
    assert replace(algorithm, search=False).evaluations(5) == 1
    # Each of 512 sequences and the action at its end, and one row to choose two of five heads by.
    assert algorithm.noise_shape(7, 2, 5) == (4, 512 * 5 + 5, 7, 2)
    assert NANO.noise_shape(7, 2, 2) == (1, 64 * 4, 7, 2)
    assert algorithm.noise_shape(7, 2, 1) == (7, 2)
    assert replace(algorithm, search=False).noise_shape(7, 2, 5) == (7, 2)
    shapes = {name: draw.shape for name, draw in algorithm.draws(7, 2).items()}
    assert shapes == dict.fromkeys(("next_action", "negative", "jitter", "uniform"), (4, 7, 2)) | {
        "prior": (5, 7, 2),
        "heads": (5,),
    }


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


def test_the_search_is_told_the_methods_settings_and_the_presets_sizes():
    search = Search(
        horizon=3, samples=64, elites=8, prior_sequences=6, temperature=0.5, discount=1.0, anchor=0.1
    )
    assert NANO.search_settings == search
    own = replace(NANO, horizon=2, temperature=0.7, discount=0.9, eta=0.3, samples=16, elites=4)
    assert own.search_settings == Search(
        horizon=2, samples=16, elites=4, prior_sequences=6, temperature=0.7, discount=0.9, anchor=0.3
    )


def test_networks_begin_with_nothing_to_say_and_latents_are_simplices():
    networks = NANO.networks(SIZES)
    latent, act = networks["encoder"](torch.randn(5, 3)), torch.randn(5, 2)
    for reached in (latent, networks["dynamics"](latent, act)):
        torch.testing.assert_close(reached.unflatten(-1, (-1, 8)).sum(dim=-1), torch.ones(5, 4))
    for name in ("reward", "values", "anchor"):
        assert not networks[name](latent, act).any()
    assert networks["termination"](latent).all()
    assert networks["prior"](latent)[0].all()


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


def test_actions_are_timed_in_every_batch_size(run):
    (rows,) = measure([(run / "policy-20.safetensors", run / "run.json")], [1, 2], [1, 3])
    timed = {(row.nfe, row.batch_size) for row in rows if row.quantity == "seconds_per_action"}
    assert timed == {(1, 1), (1, 3), (2, 1), (2, 3)}


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


def test_a_plan_is_of_one_sample_alone(run):
    policy = load_policy(run / "policy-20.safetensors")
    for rule in ("mean_of_4", "best_of_4"):
        with pytest.raises(ValueError, match="it remembers what one sample planned; take 'sample'"):
            policy.act(np.zeros((2, 3)), acting=rule)


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
    for folder in (run, tmp_path / "prior"):  # for people
        text = (folder / "run.json").read_text()
        assert text == json.dumps(json.loads(text), indent=2)


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
    record = {"algorithm": "gtp", "hyperparameters": {}, "label": "gtp"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    for name, algorithm in (("gtp", GTP()), ("mbdpo", NANO)):
        with pytest.raises(UserError, match=f"trained by gtp, {name} cannot act with its weights otherwise"):
            derive(tmp_path, algorithm, tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()
