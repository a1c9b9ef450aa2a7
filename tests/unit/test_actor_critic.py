"""What Diffusion-QL and Consistency-AC add to cloning: critic and Q-term; and what cloning lacks."""

import math

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.common.critics import q_of_samples
from gtp.algorithms.common.guidance import normalized_q_loss
from gtp.algorithms.consistency_ac import ConsistencyAC
from gtp.algorithms.diffusion_ql import DiffusionQL
from gtp.config import TrainConfig
from gtp.evaluation.oracle import clone_mixture
from gtp.generative.gaussian_mixture import GaussianMixture
from gtp.randomness import generator

from .one_step import B, receivers
from .one_step import make as one_step

CLONING = {"diffusion_ql": "diffusion_bc", "consistency_ac": "consistency_bc"}
GUIDED, CLONED = list(CLONING), list(CLONING.values())


def make(method: str, **settings):
    """A method, and networks, batch, draws and progress of a step half way."""
    algorithm = algorithms.get(method)(**settings)
    return algorithm, *one_step(algorithm), torch.tensor(0.5, dtype=torch.float64)


def test_q_loss_is_minus_one_for_equal_positive_heads_whatever_their_scale():
    for scale in (1e-3, 1.0, 1e4):
        q = scale * torch.tensor([[1.0, 3.0, 0.5]]).expand(2, -1)
        for uniform in (0.1, 0.9):
            assert normalized_q_loss(q, torch.tensor(uniform)).item() == pytest.approx(-1.0)


def test_q_loss_by_hand_with_both_roles():
    q = torch.tensor([[1.0, 3.0], [-4.0, 8.0]])
    assert normalized_q_loss(q, torch.tensor(0.5)).item() == pytest.approx(-2.0 / 6.0)
    assert normalized_q_loss(q, torch.tensor(0.49)).item() == pytest.approx(-2.0 / 2.0)


def test_the_denominator_of_the_q_loss_carries_no_gradient():
    q = torch.tensor([[1.0, 3.0], [-4.0, 8.0]], requires_grad=True)
    normalized_q_loss(q, torch.tensor(0.9)).backward()
    assert q.grad.flatten().tolist() == pytest.approx([-1 / 12, -1 / 12, 0.0, 0.0])


def test_q_loss_of_a_critic_that_is_zero_everywhere_is_finite():
    q = torch.zeros(2, 4, requires_grad=True)
    normalized_q_loss(q, torch.tensor(0.9)).backward()
    assert q.grad.isfinite().all()


def test_q_of_samples_is_one_call_per_action():
    _, networks, batch, _, _ = make("diffusion_ql")
    act = torch.randn(3, B, 2, dtype=torch.float64)
    expected = torch.stack([networks["critic"](batch.obs, a) for a in act], dim=1)
    torch.testing.assert_close(q_of_samples(networks["critic"], batch.obs, act), expected)


@pytest.mark.parametrize("method", CLONED)
def test_cloning_trains_no_critic(method):
    algorithm, networks, batch, draws, progress = make(method)
    assert set(networks) == {"actor", "actor_ema"}
    assert [update.networks for update in algorithm.updates()] == ["actor"]
    assert receivers(algorithm.actor_loss(networks, batch, draws, progress)[0], networks) == {"actor"}


@pytest.mark.parametrize("method", GUIDED)
def test_the_actor_loss_is_the_cloning_loss_plus_eta_times_the_q_loss(method):
    algorithm, networks, batch, draws, progress = make(method, eta=0.7)
    cloning = algorithms.get(CLONING[method])()
    own = algorithm.model.sample(networks["actor"], batch.obs, draws["own_actions"], algorithm.target_nfe)
    q = networks["critic"](batch.obs, own)
    numerator, denominator = (q[1], q[0]) if draws["head"] < 0.5 else (q[0], q[1])
    expected = cloning.actor_loss(networks, batch, draws, progress)[0]
    expected = expected - 0.7 * numerator.mean() / denominator.abs().mean()
    loss, logged = algorithm.actor_loss(networks, batch, draws, progress)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["loss/cloning"] + 0.7 * logged["loss/q"], loss)


@pytest.mark.parametrize("method", GUIDED)
def test_the_q_term_reaches_the_actor_through_every_step_of_the_sampler(method):
    """The gradient with respect to the very first noise slice is there: no step cuts it off."""
    algorithm, networks, batch, draws, progress = make(method)
    noise = draws["own_actions"].clone().requires_grad_()
    algorithm.actor_loss(networks, batch, {**draws, "own_actions": noise}, progress)[1]["loss/q"].backward()
    assert (noise.grad.abs().flatten(1).sum(dim=1) > 0).all()


@pytest.mark.parametrize("method", GUIDED)
def test_where_gradients_go(method):
    """The learner differentiates the update's own network alone, so the critic under the actor stays put."""
    algorithm, networks, batch, draws, progress = make(method)
    critic, actor = algorithm.updates()
    assert (critic.networks, actor.networks) == ("critic", "actor")
    assert receivers(critic.loss(networks, batch, draws, progress)[0], networks) == {"critic"}
    assert receivers(actor.loss(networks, batch, draws, progress)[0], networks) == {"critic", "actor"}


@pytest.mark.parametrize("method", GUIDED)
def test_critic_loss_by_hand(method):
    algorithm, networks, batch, draws, progress = make(method)
    nfe = {"diffusion_ql": 5, "consistency_ac": 2}[method]
    assert draws["next_actions"].shape == (nfe, 1, B, 2)
    a = algorithm.model.sample(networks["actor_ema"], batch.next_obs, draws["next_actions"][:, 0], nfe)
    target = batch.rew + batch.discount * networks["critic_ema"](batch.next_obs, a).amin(dim=0)
    q = networks["critic"](batch.obs, batch.act)
    expected = ((q[0] - target) ** 2).mean() + ((q[1] - target) ** 2).mean()
    torch.testing.assert_close(algorithm.critic_loss(networks, batch, draws, progress)[0], expected)


@pytest.mark.parametrize("method", GUIDED)
def test_max_q_backup_takes_the_best_of_its_draws_head_by_head(method):
    algorithm, networks, batch, draws, _ = make(method, max_q_samples=4)
    q = torch.stack(
        [
            networks["critic_ema"](
                batch.next_obs,
                algorithm.model.sample(networks["actor_ema"], batch.next_obs, noise, algorithm.target_nfe),
            )
            for noise in draws["next_actions"].unbind(dim=1)
        ]
    )  # (4, 2, B)
    best = batch.rew + batch.discount * q.amax(dim=0).amin(dim=0)
    target = algorithm.target(networks, batch, draws)
    torch.testing.assert_close(target, best)
    first = {**draws, "next_actions": draws["next_actions"][:, :1]}
    plain = algorithm.target(networks, batch, first)
    assert (target - plain).min() > -1e-12
    assert (target > plain).any()


def test_q_norm_divides_the_target_by_its_spread():
    plain, networks, batch, draws, _ = make("consistency_ac")
    normed, *_ = make("consistency_ac", q_norm=True)
    y = plain.target(networks, batch, draws)
    spread = (y - y.mean()).square().mean().sqrt()
    torch.testing.assert_close(normed.target(networks, batch, draws), y / (spread + 1e-6))


@pytest.mark.parametrize("method", [*GUIDED, *CLONED])
def test_acting_takes_a_slice_of_noise_for_each_evaluation(method):
    algorithm, networks, batch, _, _ = make(method)
    assert algorithm.acting_networks == ("actor_ema",)
    for nfe in (1, 2, 3, 5, 8, 31):
        assert algorithm.noise_shape(B, 2, nfe) == (nfe, B, 2)
        noise = torch.randn(nfe, B, 2, dtype=torch.float64)
        act = algorithm.act({"actor_ema": networks["actor_ema"]}, batch.obs, noise, nfe)
        assert act.shape == (B, 2)
        assert act.abs().max() <= 1.0
    with pytest.raises(ValueError, match="nfe = 32 .*got 31"):
        algorithm.act(networks, batch.obs, noise, 32)


@pytest.mark.unmutated
@pytest.mark.parametrize(
    ("method", "settings", "ema_decay", "accuracy"),
    [
        ("diffusion_bc", {}, 0.99, 0.02),
        # A teacher that lags takes long to carry the boundary's answer up to noise: a faster, a coarser grid.
        ("consistency_bc", {"last_grid": 20}, 0.9, 0.1),
    ],
)
def test_with_one_action_in_the_data_every_sampler_returns_it(method, settings, ema_decay, accuracy):
    algorithm = algorithms.get(method)(**settings)
    point = torch.tensor([[0.6, -0.3]], dtype=torch.float64)
    config = TrainConfig(
        steps=1500,
        batch_size=64,
        learning_rate=1e-3,
        ema_decay=ema_decay,
        hidden_size=64,
        hidden_layers=2,
    )
    mixture = GaussianMixture(point, torch.ones(1).double(), 1e-4)
    (networks,) = clone_mixture(algorithm, mixture, config, [0])
    with torch.inference_mode():
        for nfe in (2, 3, 5, 8):
            noise = torch.randn(algorithm.noise_shape(200, 2, nfe), generator=generator(0, "acting"))
            act = algorithm.act(networks, torch.zeros(200, 1), noise, nfe)
            assert (act - point).norm(dim=1).median() < accuracy, nfe


@pytest.mark.parametrize("method", GUIDED)
def test_the_guided_method_samples_like_its_cloning_method(method):
    algorithm, networks, batch, _, _ = make(method)
    cloning = algorithms.get(CLONING[method])()
    for nfe in (1, 2, 5, 8):
        noise = torch.randn(cloning.noise_shape(B, 2, nfe), dtype=torch.float64)
        expected = cloning.act(networks, batch.obs, noise, nfe)
        assert torch.equal(algorithm.act(networks, batch.obs, noise, nfe), expected)


@pytest.mark.parametrize("method", [DiffusionQL, ConsistencyAC])
def test_values_out_of_range_are_refused(method):
    for settings, message in (
        ({"eta": 0.0}, "eta must be finite and positive, got 0.0"),
        ({"eta": math.nan}, "eta must be finite and positive, got nan"),
        ({"max_q_samples": 0}, "max_q_samples must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            method(**settings)
    with pytest.raises(ValueError, match="target_nfe"):
        ConsistencyAC(target_nfe=0)
