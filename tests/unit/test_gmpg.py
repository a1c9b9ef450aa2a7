"""GMPG's gradient against closed forms and finite differences, its stages, a bandit with a known answer."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from gtp.algorithms.common.flow_model import FlowModel
from gtp.algorithms.common.interface import Batch
from gtp.algorithms.gmpg import GMPG, local_entropy
from gtp.generative.gaussian_paths import PATHS
from gtp.networks import time_features
from gtp.training.learner import Learner
from gtp.training.samplers import TransitionSampler

from .one_step import START, B, make, receivers
from .training_fixtures import CONFIG

each_path = pytest.mark.parametrize("path", PATHS)


@each_path
@pytest.mark.parametrize("size", [1, 2, 5])
def test_entropy_is_half_the_log_determinant(path, size):
    jacobian = torch.randn(size, 7, size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    exact = local_entropy(jacobian, 0.0)  # a change of variables
    precise = {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(exact, torch.linalg.slogdet(jacobian.transpose(0, 1)).logabsdet, **precise)
    covariance = jacobian.permute(1, 2, 0) @ jacobian.transpose(0, 1) + 0.09 * torch.eye(size).double()
    torch.testing.assert_close(local_entropy(jacobian, 0.3), 0.5 * torch.logdet(covariance), **precise)


def test_jacobian_of_the_sampler():
    algorithm = GMPG(gradient_nfe=3)
    networks, batch, draws = make(algorithm)
    noise = draws["own_actions"]
    act, jacobian = algorithm.own_actions(networks["actor"], batch.obs, noise)
    torch.testing.assert_close(act, algorithm.model.sample(networks["actor"], batch.obs, noise, 3))
    for b in range(B):
        expected = torch.autograd.functional.jacobian(
            lambda z, b=b: algorithm.model.sample(networks["actor"], batch.obs[b : b + 1], z[None], 3)[0],
            noise[b],
        )
        torch.testing.assert_close(jacobian[:, b].T, expected, rtol=0.0, atol=2e-3)


class Gaussian(nn.Module):
    """The exact velocity field of N(mean, std^2) actions in one dimension, as a network."""

    def __init__(self, path: str, mean: float, std: float):
        super().__init__()
        self.path = PATHS[path]
        self.mean = nn.Parameter(torch.tensor(mean, dtype=torch.float64))
        self.log_std = nn.Parameter(torch.tensor(std, dtype=torch.float64).log())

    def forward(self, obs, x, t):
        alpha, sigma = self.path.alpha(t), self.path.sigma(t)
        variance = (2.0 * self.log_std).exp()
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        act = self.mean + gain * (x - alpha * self.mean)
        return self.path.velocity(act, self.path.noise_from_act(x, act, t), t)


@dataclass(frozen=True, kw_only=True)
class OnTimes(GMPG):
    """GMPG whose networks are given times, not their features."""

    @property
    def model(self):
        return FlowOnTimes(self.path, self.solver)


class FlowOnTimes(FlowModel):
    def velocity(self, network, obs):
        return lambda x, t: network(obs, x, t)


@each_path
@pytest.mark.parametrize("solver", ["ddim", "euler"])
def test_gradient_of_the_divergence_is_that_of_gaussians(path, solver):
    """Policy and behaviour are Gaussians: the KL divergence of the two, smoothed, and its gradient are known.

    The policy is what five steps of the sampler make of its field, an affine function of the noise. All terms
    are at most quadratic in the noises, so that the points -1 and 1 average them exactly.
    """
    algorithm = OnTimes(path=path, solver=solver, gradient_nfe=5, beta=0.0, level=0.2)
    actor, behaviour = Gaussian(path, 0.3, 0.4), Gaussian(path, -0.2, 0.25)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    obs = torch.zeros(4, 1, dtype=torch.float64)
    low, high = algorithm.model.sample(actor, obs[:2], ends[:, None], 5)[:, 0]
    mean, std = (low + high) / 2, (high - low) / 2
    pi, mu = std**2 + 0.04, 0.25**2 + 0.04
    nats = 0.5 * ((pi + (mean + 0.2) ** 2) / mu - 1.0 - (pi / mu).log())
    expected = torch.autograd.grad(nats / math.log(2.0), list(actor.parameters()))

    xi, z = torch.cartesian_prod(ends, ends).T[..., None]
    networks = {"actor": actor, "behaviour": behaviour}
    networks["critic_ema"] = lambda obs, act: torch.stack([act[:, 0], act[:, 0]])
    batch = Batch(obs, torch.zeros_like(obs), *(torch.zeros(4),) * 3)
    loss, logged = algorithm.actor_loss(networks, batch, {"own_actions": xi, "smoothing": z}, START)
    slopes = torch.autograd.grad(loss, list(actor.parameters()))
    torch.testing.assert_close(slopes, expected)
    assert all(slope.abs() > 0.1 for slope in slopes)
    torch.testing.assert_close(logged["policy/entropy"], 0.5 * pi.log())


def test_actor_loss_by_hand():
    """Straight lines, two Euler steps; the determinant of two dimensions is written out."""
    algorithm = GMPG(path="linear", beta=2.0, gradient_nfe=2, level=0.25)
    networks, batch, draws = make(algorithm)
    one = torch.ones(B, dtype=torch.float64)

    def sample(z):
        x = z - 0.5 * networks["actor"](batch.obs, z, time_features(one))
        return x - 0.5 * networks["actor"](batch.obs, x, time_features(0.5 * one))

    act = sample(draws["own_actions"])
    moved = [sample(draws["own_actions"] + torch.tensor(axis).double()) for axis in ([0.1, 0.0], [0.0, 0.1])]
    j = [(other - act) / 0.1 for other in moved]
    c = [
        [sum(s[:, k] * s[:, m] for s in j) + (0.0625 if k == m else 0.0) for m in range(2)] for k in range(2)
    ]
    entropy = 0.5 * (c[0][0] * c[1][1] - c[0][1] * c[1][0]).log().mean()
    # Noise 0.25 in units of the data is reached at t = 0.2; there z = x_t + 0.8 v, and the score is -z / 0.2.
    x_t = 0.8 * act + 0.2 * draws["smoothing"]
    v = networks["behaviour"](batch.obs, x_t, time_features(0.2 * one))
    score = (-(x_t + 0.8 * v) / 0.2).detach()
    q = networks["critic_ema"](batch.obs, act.clip(-1.0, 1.0)).min(dim=0).values.mean()
    expected = -(entropy + (score * x_t).sum(dim=1).mean()) / (2.0 * math.log(2.0)) - 2.0 * q
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["q/own"], q)
    leaves = list(networks["actor"].parameters())
    slopes, by_hand = (torch.autograd.grad(value, leaves, retain_graph=True) for value in (loss, expected))
    torch.testing.assert_close(slopes, by_hand)
    assert "behaviour" not in receivers(loss, networks)


@each_path
def test_gradient_agrees_with_finite_differences(path):
    """Q and entropy have values, not only gradients: through sampler, Jacobian and determinant."""
    algorithm = GMPG(path=path, beta=3.0, gradient_nfe=3)
    networks, batch, draws = make(algorithm)

    def value() -> torch.Tensor:
        act, jacobian = algorithm.own_actions(networks["actor"], batch.obs, draws["own_actions"])
        q = networks["critic_ema"](batch.obs, act.clip(-1.0, 1.0)).min(dim=0).values.mean()
        return -3.0 * q - local_entropy(jacobian, algorithm.level).mean()

    value().backward()
    for weight in networks["actor"].parameters():
        slope, index, width = weight.grad.flatten(), weight.grad.abs().argmax(), 1e-6
        ends = []
        for sign in (1.0, -1.0):
            weight.data.view(-1)[index] += sign * width
            ends.append(value().item())
            weight.data.view(-1)[index] -= sign * width
        assert slope[index].item() == pytest.approx((ends[0] - ends[1]) / (2 * width), rel=1e-4, abs=1e-7)


@pytest.mark.unmutated
def test_the_clone_learns_the_data():
    algorithm = GMPG()
    networks, batch, draws = make(algorithm)
    loss, _ = algorithm.cloning_loss(networks, batch, draws, START)
    expected = algorithm.model.matching_error(networks["actor"], batch.obs, batch.act, draws).mean()
    torch.testing.assert_close(loss, expected)
    assert receivers(loss, networks) == {"actor"}


def bandit(reward, mean: float, std: float, count: int = 4000) -> Batch:
    """One state, one dimension, Gaussian behaviour, and episodes of one step."""
    act = (mean + std * torch.randn(count, 1, generator=torch.Generator().manual_seed(0))).clamp(-1.0, 1.0)
    return Batch(torch.zeros(count, 1), act, reward(act[:, 0]), torch.zeros(count, 1), torch.zeros(count))


def advance(learner: Learner, data: Batch, steps: int) -> None:
    sampler = TransitionSampler(data)
    inputs = learner.inputs(sampler)
    for _ in range(steps):
        learner.update(sampler, *next(inputs))


def test_the_policy_gradient_starts_from_the_clone_and_resumes_across_the_boundary():
    algorithm = GMPG(gradient_nfe=2, cloning_share=0.5)
    data, config = bandit(lambda a: a, 0.0, 0.3, 200), replace(CONFIG, steps=20)

    def learner():
        return Learner(algorithm, config, 1, 1, [0, 7], torch.device("cpu"), compiled=False)

    straight = learner()
    advance(straight, data, 10)
    clone = {name: value.clone() for name, value in straight.params["actor_ema"].items()}
    advance(straight, data, 1)
    for leaf, value in straight.params["actor"].items():  # one step of Adam away from the clone
        assert (value - clone[leaf]).abs().max() <= 1.01 * config.learning_rate
    assert "policy/entropy" in straight.quantities
    advance(straight, data, 9)
    assert all(torch.equal(value, clone[name]) for name, value in straight.params["behaviour"].items())
    for taken in (9, 10, 11):
        first, second = learner(), learner()
        advance(first, data, taken)
        second.load_state({name: value.clone() for name, value in first.state().items()})
        advance(second, data, 20 - taken)
        assert all(torch.equal(value, second.state()[name]) for name, value in straight.state().items())


@pytest.mark.unmutated
def test_bandit_reaches_the_optimum_of_its_objective():
    """Behaviour N(0, c^2) and Q(a) = a: the optimum is that Gaussian shifted by beta log 2 (c^2 + level^2).

    Without the divergence the policy would end at the edge of the box, at 1.
    """
    std, beta = 0.3, 3.0
    algorithm = GMPG(path="gvp", beta=beta, gradient_nfe=4)
    config = replace(CONFIG, steps=900, batch_size=128, hidden_size=32, learning_rate=3e-3)
    learner = Learner(algorithm, config, 1, 1, [0], torch.device("cpu"), compiled=False)
    data, noise = (
        bandit(lambda a: a, 0.0, std),
        torch.randn(4000, 1, generator=torch.Generator().manual_seed(1)),
    )
    samples, divergence = {}, {}
    shift = beta * math.log(2.0) * (std**2 + algorithm.level**2)
    for name in ("clone", "policy"):
        advance(learner, data, 450)
        act = algorithm.act(learner.networks(), torch.zeros(4000, 1), noise, 4)
        samples[name] = act.mean().item(), act.std().item()
        mean, ratio = samples[name][0], (samples[name][1] / std) ** 2
        divergence[name] = 0.5 * (ratio + ((mean - shift) / std) ** 2 - 1.0 - math.log(ratio))
    assert samples["clone"] == pytest.approx(
        (0.0, std), abs=0.08
    )  # few steps keep about three quarters of the width
    assert samples["policy"] == pytest.approx((shift, std), abs=0.08)
    assert divergence["policy"] < 0.5 * divergence["clone"]  # from the target, reverse KL in nats


@pytest.mark.parametrize(
    "wrong",
    [{"beta": -1.0}, {"cloning_share": 0.0}, {"cloning_share": 1.0}, {"gradient_nfe": 0}, {"level": 0.0}],
)
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GMPG(**wrong)
