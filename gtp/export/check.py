"""Whether a graph says what its policy does, and how long each takes."""

import statistics
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from gtp.acting import ActingRule, gumbel
from gtp.data.transitions import relative_to_box
from gtp.evaluation.timing import seconds_in_rounds
from gtp.export.graph import OUTPUT, ActingGraph, noise_inputs
from gtp.policy import Policy
from gtp.randomness import ActingNoise, generator

TOLERANCE = 1e-5
"""Largest difference of an action in [-1, 1] units between a graph and its policy."""
OBSERVATIONS = 256
ROUNDS = 5
"""Repeated measurements of a time, whose median counts."""


class Times(NamedTuple):
    """Seconds of one action for one observation: the policy draws its noise, the graph is given it."""

    policy: float
    graph: float


def open_graph(model: bytes) -> onnxruntime.InferenceSession:
    """A graph ready to run on the CPU, with as many threads as torch has here."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def observations_like_the_data(policy: Policy, count: int) -> np.ndarray:
    """Normal observations with the mean and standard deviation of the data. Shape: (count, O)."""
    drawn = torch.randn(count, len(policy.observation_mean), generator=generator(0, "export"))
    return (policy.observation_mean + policy.observation_std * drawn).numpy()


def noise_of(policy: Policy, rule: ActingRule, nfe: int, count: int) -> dict[str, np.ndarray]:
    """What `policy` draws for its first action in episodes 0 to count - 1, as inputs of its graph."""
    if not policy.algorithm.stochastic:
        return {}
    shapes = rule.noise_shapes(policy.algorithm, len(policy.action_low), nfe)
    names = noise_inputs(policy, rule, nfe)
    return {
        name: ActingNoise(policy.seed, stream, range(count), shape).at(0).numpy()
        for name, (stream, shape) in zip(names, shapes.items(), strict=True)
    }


def largest_difference(
    policy: Policy, rule: ActingRule, nfe: int, graph: Callable[..., list[np.ndarray]]
) -> float:
    """How far a graph's actions are from its policy's at most, in [-1, 1] units, on the policy's own noise.

    `graph` is `run` of `open_graph`. Where the critic chooses and rates two samples alike but for rounding,
    either of them is right.
    """
    obs = observations_like_the_data(policy, OBSERVATIONS)
    noise = noise_of(policy, rule, nfe, OBSERVATIONS)
    policy.reset()
    actions = (graph([OUTPUT], {"observation": obs} | noise)[0], policy.act(obs, nfe, rule))
    low, high = policy.action_low.numpy(), policy.action_high.numpy()
    found, expected = (torch.from_numpy(relative_to_box(act, low, high)) for act in actions)
    error = (found - expected).abs().amax(dim=-1)
    if rule.needs_critic:
        act, best = equally_good(policy, rule, nfe, obs, noise)
        others = (found - act).abs().amax(dim=-1).masked_fill(~best, torch.inf).amin(dim=0)
        error = torch.minimum(error, others)
    return error.max().item()


@torch.inference_mode()
def equally_good(
    policy: Policy, rule: ActingRule, nfe: int, obs: np.ndarray, noise: dict[str, np.ndarray]
) -> tuple[Tensor, Tensor]:
    """All samples in [-1, 1], and which of them are as good as the best but for rounding.

    Shapes: obs (B, O) -> (M, B, A), (M, B) bool.
    """
    graph, seen, name = ActingGraph(policy, rule, nfe), {}, policy.algorithm.critic
    assert name is not None  # since the rule chooses by it
    critic = graph.networks[name]

    def watched(obs: Tensor, act: Tensor) -> Tensor:
        seen["act"], seen["q"] = act, critic(obs, act)
        return seen["q"]

    drawn = tuple(map(torch.from_numpy, noise.values()))
    networks: dict[str, Callable[..., Tensor]] = {**dict(graph.networks.items()), name: watched}
    graph.choose(policy.normalize(torch.from_numpy(obs)), drawn, networks)
    score = seen["q"].unflatten(1, (rule.samples, len(obs))).amin(dim=0)
    if rule.temperature:
        score = policy.reward_unit / rule.temperature * score + gumbel(drawn[1].T)
    slack = TOLERANCE * (1.0 + score.abs().amax(dim=0))
    return seen["act"].unflatten(0, score.shape), score >= score.amax(dim=0) - slack


def measure_times(
    policy: Policy, rule: ActingRule, nfe: int, graph: Callable[..., list[np.ndarray]]
) -> Times:
    """Seconds of an action by the policy and by its graph, one observation a call, measured in turns."""
    obs = observations_like_the_data(policy, 1)
    inputs = {"observation": obs} | noise_of(policy, rule, nfe, 1)
    calls = [lambda: policy.act(obs, nfe, rule), lambda: graph([OUTPUT], inputs)]
    return Times(*map(statistics.median, zip(*seconds_in_rounds(calls, ROUNDS), strict=True)))
