"""A policy as one ONNX graph: from raw observations and noise to actions, at a fixed K and acting rule."""

import copy
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from onnxscript import FLOAT
from onnxscript import opset20 as op
from torch import Tensor, nn

from gtp.acting import ActingRule, choose_action
from gtp.algorithms.common.interface import Networks
from gtp.policy import Policy
from gtp.policy_file import SCALING

OPSET = 20
INPUT_OF = {"samples": "noise", "choice": "choice"}
"""Name of a rule's noise (ActingRule.noise_shapes) -> name of the graph's input."""
OUTPUT = "action"
BATCH = 5
"""Rows that the graph is traced with; it takes any number."""


class ActingGraph(nn.Module):
    """What `Policy.act` computes, with its noise as inputs.

    Shapes: observation (B, O); one tensor (B, ...) for each of `noise_shapes`, standard normal -> (B, A).
    Units: observations and actions are the environment's.
    """

    observation_mean: Tensor
    observation_std: Tensor
    action_low: Tensor
    action_high: Tensor

    def __init__(self, policy: Policy, rule: ActingRule, nfe: int):
        super().__init__()
        self.algorithm, self.reward_unit = policy.algorithm, policy.reward_unit
        self.rule, self.nfe = rule, nfe
        names = list(self.algorithm.acting_networks)
        if rule.needs_critic:
            assert self.algorithm.critic is not None  # else the rule would have been refused
            names.append(self.algorithm.critic)
        self.networks = nn.ModuleDict({name: network_of(policy, name) for name in names})
        for name in SCALING:
            self.register_buffer(name, getattr(policy, name))

    def forward(self, observation: Tensor, *noise: Tensor) -> Tensor:
        normalized = (observation - self.observation_mean) / self.observation_std
        act = self.choose(normalized, noise, self.networks)  # type: ignore[arg-type]
        return self.action_low + 0.5 * (act + 1.0) * (self.action_high - self.action_low)

    def choose(self, obs: Tensor, noise: tuple[Tensor, ...], networks: Networks) -> Tensor:
        """Actions in [-1, 1] for standardised observations, by the networks given."""
        shapes = self.rule.noise_shapes(self.algorithm, len(self.action_low), self.nfe)
        if noise:
            own = dict(zip(shapes, noise, strict=True))
            # Rows of the batch stand last but one: (B, ..., M, A) becomes (..., B M, A), as in Policy.
            own["samples"] = own["samples"].movedim(0, -3).flatten(-3, -2)
        else:  # a method whose actions do not depend on it
            own = {"samples": obs.new_zeros(len(obs), len(self.action_low))}
        return choose_action(self.rule, self.algorithm, networks, obs, own, self.nfe, self.reward_unit)[0]


def network_of(policy: Policy, name: str) -> nn.Module:
    """A network of a policy with its values inside; `<name>_ema` has the module of `<name>`."""
    network = copy.deepcopy(policy.modules[name.removesuffix("_ema")])
    network.load_state_dict(policy.params[name], assign=True)
    return network.requires_grad_(False)


def settle(policy: Policy, nfe: int, acting: str) -> tuple[ActingRule, int]:
    """The rule and the K of a graph, K being 1 for methods that cannot choose it.

    Raises ValueError for a method with a memory, a seed that diverged, a rule that the method cannot follow
    and an nfe below 1.
    """
    if policy.algorithm.has_memory:
        raise ValueError(
            f"{policy.label} goes on from what it planned one step before, which a graph without a memory"
            " cannot; act with gtp.load_policy"
        )
    if policy.diverged_at is not None:
        raise ValueError(
            f"seed {policy.seed} diverged at step {policy.diverged_at} and cannot act; choose another --seed"
        )
    if nfe < 1:
        raise ValueError(f"nfe must be at least 1, got {nfe}")
    return policy.rule(acting), nfe if policy.algorithm.choosable_nfe else 1


def noise_inputs(policy: Policy, rule: ActingRule, nfe: int) -> dict[str, tuple[int, ...]]:
    """The graph's inputs of standard normal noise: name -> shape for one observation, in their order."""
    if not policy.algorithm.stochastic:
        return {}
    shapes = rule.noise_shapes(policy.algorithm, len(policy.action_low), nfe)
    return {INPUT_OF[name]: shape for name, shape in shapes.items()}


def graph_inputs(policy: Policy, rule: ActingRule, nfe: int) -> dict[str, tuple[int, ...]]:
    """All inputs of a graph in their order: name -> shape for one observation."""
    return {"observation": tuple(policy.observation_mean.shape)} | noise_inputs(policy, rule, nfe)


def build_graph(policy: Policy, rule: ActingRule, nfe: int, about: Mapping[str, str]) -> bytes:
    """The ONNX model of a policy, with `about` as its metadata; it takes any number of observations.

    Inputs: those of `graph_inputs`, each (B, ...). Output: action (B, A).
    """
    inputs = graph_inputs(policy, rule, nfe)
    examples = tuple(torch.zeros(BATCH, *shape) for shape in inputs.values())
    batch = {0: torch.export.Dim("batch")}
    shapes: dict[str, Any] = {"observation": batch}
    if len(inputs) > 1:
        shapes["noise"] = (batch,) * (len(inputs) - 1)
    with quiet():
        # Strict, since only that follows len() of a batch whose size is left open.
        traced = torch.export.export(
            ActingGraph(policy, rule, nfe).eval(), examples, dynamic_shapes=shapes, strict=True
        )
        program = torch.onnx.export(
            traced,
            input_names=list(inputs),
            output_names=[OUTPUT],
            opset_version=OPSET,
            custom_translation_table={torch.ops.aten.special_log_ndtr.default: log_ndtr},
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # since it is not written to a file
    model = program.model_proto
    for part in (model.graph, *model.functions):
        del part.value_info[:]  # shapes of what lies between, which follow from the inputs'
        for item in (part, *part.node):  # where the code lay that each node comes from
            del item.metadata_props[:]
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.metadata_props[:]
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString(deterministic=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's remarks on packages that are not needed here, and on its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


ERFC = (
    -1.26551223,
    1.00002368,
    0.37409196,
    0.09678418,
    -0.18628806,
    0.27886807,
    -1.13520398,
    1.48851587,
    -0.82215223,
    0.17087277,
)


def log_ndtr(x: FLOAT) -> FLOAT:
    """log of the normal distribution function, which ONNX lacks, to 1e-5 of its value; any shape.

    erfc(z) = t exp(-z^2 + P(t)) with t = 1 / (1 + z / 2) for z >= 0, to 1.2e-7 of its value. Of x > 0 it is
    log(1 - y) with a small y = erfc / 2, where y log(w) / (w - 1) with w = 1 - y rounded loses no digits.
    Sources: Press et al., Numerical Recipes, section 6.2; Goldberg, 1991, theorem 4.
    """
    one = op.Constant(value_float=1.0)
    z = op.Mul(op.Abs(x), op.Constant(value_float=math.sqrt(0.5)))
    t = op.Reciprocal(op.Add(one, op.Mul(op.Constant(value_float=0.5), z)))
    polynomial = op.Constant(value_float=ERFC[-1])
    for coefficient in ERFC[-2::-1]:
        polynomial = op.Add(op.Constant(value_float=coefficient), op.Mul(polynomial, t))
    log_half = op.Add(op.Log(t), op.Sub(polynomial, op.Mul(z, z)))
    below = op.Add(log_half, op.Constant(value_float=-math.log(2.0)))  # log of Phi(-|x|)
    y = op.Exp(below)
    w = op.Sub(one, y)
    lost = op.Sub(one, w)  # what of y the rounding of w has left
    exact = op.Equal(lost, op.Constant(value_float=0.0))
    above = op.Mul(op.Neg(y), op.Div(op.Log(w), op.Neg(op.Where(exact, one, lost))))
    return op.Where(op.Less(x, op.Constant(value_float=0.0)), below, op.Where(exact, op.Neg(y), above))
