"""GMPG: its gradient against closed forms and finite differences, its stages, a bandit with a known answer."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from gtp.algorithms.base import Batch
from gtp.algorithms.gmpg import GMPG, local_entropy
from gtp.learner import Learner, bind
from gtp.networks import time_features
from gtp.paths import PATHS
from gtp.randomness import BLOCK, draw_block, draw_indices

from .one_step import START, B, make, receivers
from .training_fixtures import CONFIG

each_path = pytest.mark.parametrize("path", PATHS)


@each_path
@pytest.mark.parametrize("size", [1, 2, 5])
def test_entropy_is_half_the_log_determinant(path, size):
    jacobian = torch.randn(size, 7, size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    exact = local_entropy(jacobian, 0.0)  # a change of variables
    torch.testing.assert_close(exact, torch.linalg.slogdet(jacobian.transpose(0, 1)).logabsdet)
    covariance = jacobian.permute(1, 2, 0) @ jacobian.transpose(0, 1) + 0.09 * torch.eye(size).double()
    torch.testing.assert_close(local_entropy(jacobian, 0.3), 0.5 * torch.logdet(covariance))


def test_jacobian_of_the_sampler():
    algorithm = GMPG(gradient_nfe=3)
    networks, batch, draws = make(algorithm)
    noise = draws["own_actions"]
    act, jacobian = algorithm.own_actions(networks["actor"], batch.obs, noise)
    torch.testing.assert_close(act, algorithm.sample(networks["actor"], batch.obs, noise, 3))
    for b in range(B):
        expected = torch.autograd.functional.jacobian(
            lambda z, b=b: algorithm.sample(networks["actor"], batch.obs[b : b + 1], z[None], 3)[0], noise[b]
        )
        torch.testing.assert_close(jacobian[:, b].T, expected)


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

    def velocity(self, network, obs):
        return lambda x, t: network(obs, x, t)


@each_path
@pytest.mark.parametrize("solver", ["ddim", "euler"])
def test_gradient_of_the_divergence_is_that_of_gaussians(path, solver):
    """Policy and behaviour are Gaussians: KL(pi_t || mu_t) and its gradient are known exactly.

    The policy is what five steps of the sampler make of its field, an affine function of the noise, and `own` is the
    exact field of that. All terms are at most quadratic in the noises, so the points -1 and 1 average them exactly.
    """
    algorithm = OnTimes(path=path, solver=solver, gradient_nfe=5, beta=0.0)
    actor, behaviour = Gaussian(path, 0.3, 0.4), Gaussian(path, -0.2, 0.25)
    xi, z, uniform = torch.cartesian_prod(
        torch.tensor([-1.0, 1.0]), torch.tensor([-1.0, 1.0]), torch.tensor([0.0, 0.2, 0.45, 0.7, 1.0])
    ).T.double()
    obs = torch.zeros(len(xi), 1, dtype=torch.float64)
    low, high = algorithm.sample(actor, obs[:2], torch.tensor([[-1.0], [1.0]]).double(), 5)[:, 0]
    mean, std = (low + high) / 2, (high - low) / 2
    own = Gaussian(path, mean.item(), std.item())

    t = algorithm.divergence_times(uniform)
    alpha, sigma = PATHS[path].alpha(t)[:, 0], PATHS[path].sigma(t)[:, 0]
    pi, mu = (alpha**2 * v + sigma**2 for v in (std**2, (2.0 * behaviour.log_std).exp().detach()))
    gap = (alpha * (mean - behaviour.mean.detach())) ** 2
    kl = 0.5 * ((pi + gap) / mu - 1.0 - (pi / mu).log())  # in nats
    expected = torch.autograd.grad(kl.mean() / math.log(2.0), list(actor.parameters()))

    networks = {"actor": actor, "own": own, "behaviour": behaviour}
    networks["critic_ema"] = lambda obs, act: torch.stack([act[:, 0], act[:, 0]])
    batch = Batch(obs, torch.zeros_like(obs), *(torch.zeros(len(obs)),) * 3)
    draws = {"own_actions": xi[:, None], "divergence_noise": z[:, None], "divergence_levels": uniform}
    loss, _ = algorithm.actor_loss(networks, batch, draws, START)
    slopes = torch.autograd.grad(loss, list(actor.parameters()))
    torch.testing.assert_close(slopes, expected)
    assert all(slope.abs() > 0.1 for slope in slopes)


@each_path
def test_gradient_of_q_passes_through_the_sampler(path):
    """With own = behaviour the divergence has no gradient; what is left, against finite differences."""
    algorithm = GMPG(path=path, beta=3.0, gradient_nfe=4)
    networks, batch, draws = make(algorithm)
    networks["own"] = networks["behaviour"]
    draws["own_actions"] *= 0.3  # most actions inside the box
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    assert logged["divergence/gap"] == 0.0
    assert receivers(loss, {"actor": networks["actor"]}) == {"actor"}

    @torch.no_grad()
    def value() -> float:
        act = algorithm.sample(networks["actor"], batch.obs, draws["own_actions"], 4).clip(-1.0, 1.0)
        return -3.0 * networks["critic_ema"](batch.obs, act).min(dim=0).values.mean().item()

    for weight in networks["actor"].parameters():
        slope, index, width = weight.grad.flatten(), weight.grad.abs().argmax(), 1e-6
        ends = []
        for sign in (1.0, -1.0):
            weight.data.view(-1)[index] += sign * width
            ends.append(value())
            weight.data.view(-1)[index] -= sign * width
        assert slope[index].item() == pytest.approx((ends[0] - ends[1]) / (2 * width), rel=1e-4, abs=1e-8)


def test_actor_loss_by_hand():
    algorithm = GMPG(path="linear", beta=2.0, gradient_nfe=2)
    networks, batch, draws = make(algorithm)
    one = torch.ones(B, dtype=torch.float64)
    x = draws["own_actions"]
    x = x - 0.5 * networks["actor"](batch.obs, x, time_features(one))
    act = x - 0.5 * networks["actor"](batch.obs, x, time_features(0.5 * one))
    level = (0.02 * 50.0 ** draws["divergence_levels"])[:, None]
    t = level / (1.0 + level)
    x_t = (1.0 - t) * act + t * draws["divergence_noise"]
    scores = {}
    for name in ("own", "behaviour"):  # on straight lines z = x_t + (1 - t) v, and the score is -z / t
        v = networks[name](batch.obs, x_t, time_features(t[:, 0]))
        scores[name] = (-(x_t + (1.0 - t) * v) / t).detach()
    divergence = ((scores["own"] - scores["behaviour"]) * x_t).sum(dim=1).mean()
    q = networks["critic_ema"](batch.obs, act.clip(-1.0, 1.0)).min(dim=0).values.mean()
    expected = divergence / (2.0 * math.log(2.0)) - 2.0 * q
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["q/own"], q)
    weight = networks["actor"].output.weight
    slopes = [torch.autograd.grad(value, weight, retain_graph=True)[0] for value in (loss, expected)]
    torch.testing.assert_close(*slopes)
    assert receivers(loss, networks) >= {"actor"}
    assert not receivers(algorithm.actor_loss(networks, batch, draws, START)[0], networks) & {
        "own",
        "behaviour",
    }


def test_own_learns_the_actors_samples_and_clones_learn_the_data():
    algorithm = GMPG(gradient_nfe=3)
    networks, batch, draws = make(algorithm)
    cloning, _ = algorithm.cloning_loss(networks, batch, draws, START)
    expected = algorithm.matching_error(networks["actor"], batch.obs, batch.act, draws).mean()
    torch.testing.assert_close(cloning, expected)
    assert receivers(cloning, networks) == {"actor"}
    act = algorithm.sample(networks["actor"], batch.obs, draws["own_actions"], 3)
    path, t = PATHS["vp"], algorithm.divergence_times(draws["times"])
    v = networks["own"](batch.obs, path.point(act, draws["noise"], t), time_features(t))
    expected = ((v - path.velocity(act, draws["noise"], t)) ** 2).sum(dim=1).mean() / 2
    own, _ = algorithm.own_loss(networks, batch, draws, START)
    torch.testing.assert_close(own, expected)
    assert receivers(own, networks) == {"own"}


def bandit(reward, mean: float, std: float, count: int = 4000) -> Batch:
    """One state, one dimension, Gaussian behaviour, and episodes of one step."""
    act = (mean + std * torch.randn(count, 1, generator=torch.Generator().manual_seed(0))).clamp(-1.0, 1.0)
    return Batch(torch.zeros(count, 1), act, reward(act[:, 0]), torch.zeros(count, 1), torch.zeros(count))


def advance(learner: Learner, data: Batch, algorithm: GMPG, steps: int) -> None:
    draws = algorithm.draws(learner.config.batch_size, data.act.shape[1])
    for step in range(learner.steps_done, learner.steps_done + steps):
        block, offset = divmod(step, BLOCK)
        rows = draw_indices(len(data.act), learner.config.batch_size, learner.seeds, block, learner.device)
        noise = draw_block(draws, learner.seeds, block, learner.device)
        learner.update(data, rows[offset], {name: values[offset] for name, values in noise.items()})


def test_the_policy_gradient_starts_from_the_clone_and_resumes_across_the_boundary():
    algorithm = GMPG(gradient_nfe=2, cloning_share=0.5)
    data, config = bandit(lambda a: a, 0.0, 0.3, 200), replace(CONFIG, steps=20)

    def learner():
        return Learner(algorithm, config, 1, 1, [0, 7], torch.device("cpu"), compiled=False)

    straight, first, second = learner(), learner(), learner()
    initial = straight.params["own"]["output.weight"].clone()
    advance(straight, data, algorithm, 10)
    assert torch.equal(straight.params["own"]["output.weight"], initial)  # nothing moves it before its time
    clone = {name: value.clone() for name, value in straight.params["actor_ema"].items()}
    advance(straight, data, algorithm, 1)
    assert all(torch.equal(value, clone[name]) for name, value in straight.params["behaviour"].items())
    for name in ("actor", "own"):  # one Adam step away from the clone
        for leaf, value in straight.params[name].items():
            assert (value - clone[leaf]).abs().max() <= 1.01 * config.learning_rate
    advance(straight, data, algorithm, 9)
    assert all(torch.equal(value, clone[name]) for name, value in straight.params["behaviour"].items())
    assert "loss/own" in straight.quantities
    for taken in (9, 10, 11):
        first, second = learner(), learner()
        advance(first, data, algorithm, taken)
        second.load_state({name: value.clone() for name, value in first.state().items()})
        advance(second, data, algorithm, 20 - taken)
        assert all(torch.equal(value, second.state()[name]) for name, value in straight.state().items())


def test_bandit_reaches_the_optimum_of_its_objective():
    """Gaussian behaviour N(0, c^2) and Q(a) = a: the optimum is that Gaussian, shifted by a known distance.

    The divergence of a shift d is d^2 / 2 E[1 / (c^2 + level^2)] nats; with the logarithm of the level uniform
    the expectation is an elementary integral.
    """
    std, beta = 0.3, 3.0
    algorithm = GMPG(path="linear", beta=beta, gradient_nfe=6, cloning_share=0.5)
    config = replace(
        CONFIG, steps=1600, batch_size=128, hidden_size=32, learning_rate=2e-3, gradient_clip=0.0
    )
    learner = Learner(algorithm, config, 1, 1, [0], torch.device("cpu"), compiled=False)
    data = bandit(lambda a: a, 0.0, std)
    noise = torch.randn(4000, 1, generator=torch.Generator().manual_seed(1))

    def samples():
        params = {name: {leaf: v[0] for leaf, v in leaves.items()} for name, leaves in learner.params.items()}
        return algorithm.act(bind(learner.modules, params), torch.zeros(4000, 1), noise, 6)

    advance(learner, data, algorithm, 800)
    clone = samples()
    advance(learner, data, algorithm, 800)
    policy = samples()
    low, high = LEVELS
    expectation = (math.log(high**2 / (std**2 + high**2)) - math.log(low**2 / (std**2 + low**2))) / (
        2 * std**2 * math.log(high / low)
    )
    shift = beta * math.log(2.0) / expectation
    print(clone.mean(), clone.std(), policy.mean(), policy.std(), shift)
    assert clone.mean().item() == pytest.approx(0.0, abs=0.05)
    assert clone.std().item() == pytest.approx(std, abs=0.05)
    assert policy.mean().item() == pytest.approx(shift, abs=0.06)
    assert policy.std().item() == pytest.approx(std, abs=0.06)


@pytest.mark.parametrize(
    "wrong", [{"beta": -1.0}, {"cloning_share": 0.0}, {"cloning_share": 1.0}, {"gradient_nfe": 0}]
)
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GMPG(**wrong)
