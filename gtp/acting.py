"""Acting rules: what a trained policy does with its samples when it has to choose one action.

A generative policy learns a distribution; how it acts is decided afterwards, from the same weights. One
sample repeats whatever noise lies on the data's actions, a scaled start or the mean of several samples takes
it out, and the best of several by the critic is a policy improvement of its own. So results name the rule.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gtp.algorithms.common.critics import q_of_samples
from gtp.algorithms.common.interface import NOTHING, Algorithm, Memory, Networks
from gtp.errors import shorten

FORMS = "sample, noise_<factor>, mean_of_<M>, best_of_<M> or best_of_<M>_at_<temperature>"
_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_PATTERN = re.compile(
    rf"(?P<plain>sample|deterministic)|noise_(?P<noise>{_NUMBER})|mean_of_(?P<mean>\d+)"
    rf"|best_of_(?P<best>\d+)(?:_at_(?P<temperature>{_NUMBER}))?"
)


@dataclass(frozen=True)
class ActingRule:
    """One rule; `parse` makes it from its name."""

    name: str
    """How flags, studies and tables of results write it."""
    label: str
    """How figures and tables for print write it."""
    samples: int = 1
    """M, the samples drawn for one action."""
    noise_scale: float = 1.0
    """Factor of the noise that samples start from; sources: CleanDiffuser acts with 0.5, 0 is the mode's."""
    needs_critic: bool = False
    """Whether the averaged critic chooses among the samples."""
    temperature: float = 0.0
    """Of the softmax over min_j Q_j that draws one of them, in units of IQL's rewards
    (gtp.data.reward_scale); 0 takes the best. Diffusion-QL and Consistency-AC act with 50 samples at 1."""

    @classmethod
    def parse(cls, text: str) -> "ActingRule":
        """The rule of a name, such as "sample" or "best_of_16". Raises ValueError, one line, for others."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"unknown acting rule {shorten(text)}; it is one of {FORMS}")
        found = match.groupdict()
        if text == DETERMINISTIC.name:
            return DETERMINISTIC
        if found["plain"]:
            return cls("sample", "one sample")
        if found["noise"]:
            scale = float(found["noise"])
            return cls(f"noise_{scale:g}", f"noise × {scale:g}", noise_scale=scale)
        count = int(found["mean"] or found["best"])
        if count < 2:
            raise ValueError(f"acting rule '{text}' needs at least 2 samples; 'sample' takes one")
        if found["mean"]:
            return cls(f"mean_of_{count}", f"mean of {count}", samples=count)
        if not found["temperature"]:
            return cls(f"best_of_{count}", f"best of {count}", samples=count, needs_critic=True)
        heat = float(found["temperature"])
        if heat <= 0.0:
            raise ValueError(f"acting rule '{text}' needs a positive temperature; 'best_of_{count}' has none")
        return cls(
            f"best_of_{count}_at_{heat:g}",
            f"softmax of {count} at {heat:g}",
            samples=count,
            needs_critic=True,
            temperature=heat,
        )

    def evaluations(self, algorithm: Algorithm, nfe: int) -> int:
        """Network evaluations of one action: each sample's, and the critic's of each if it is asked."""
        return self.samples * (algorithm.evaluations(nfe) + self.needs_critic)

    def noise_shapes(self, algorithm: Algorithm, action_size: int, nfe: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the standard normal noise that one action in one state takes.

        samples: the algorithm's `noise_shape` for a batch of M; choice: (M,), which draws by temperature.
        """
        shapes = {"samples": algorithm.noise_shape(self.samples, action_size, nfe)}
        return shapes | ({"choice": (self.samples,)} if self.temperature else {})


DETERMINISTIC = ActingRule("deterministic", "deterministic")
"""The only rule of a method whose actions do not depend on noise."""


def applicable(rules: Sequence[ActingRule], algorithm: Algorithm) -> list[ActingRule]:
    """The rules that a method can follow, in their order; `reason_against` says what keeps it from one."""
    if not algorithm.stochastic:
        return [DETERMINISTIC]
    return [rule for rule in rules if reason_against(rule, algorithm) is None]


def reason_against(rule: ActingRule, algorithm: Algorithm) -> str | None:
    """Why a stochastic method cannot follow a rule, and what to do: half a sentence; None if it can."""
    if rule == DETERMINISTIC:
        return "its actions depend on noise; take 'sample'"
    if rule.samples > 1 and algorithm.has_memory:
        return "it remembers what one sample planned; take 'sample'"
    if rule.needs_critic and algorithm.critic is None:
        return "it has no critic to choose by; take 'sample' or 'mean_of_16'"
    return None


def choose_action(
    rule: ActingRule,
    algorithm: Algorithm,
    networks: Networks,
    obs: Tensor,
    noise: dict[str, Tensor],
    nfe: int,
    reward_unit: float = 1.0,
    memory: Memory = NOTHING,
) -> tuple[Tensor, Memory]:
    """One action per state by a rule, and the algorithm's memory after it.

    Shapes: obs (B, O); noise["samples"] as the algorithm's `noise_shape` for a batch of B M, the M samples of
    a state next to each other; noise["choice"] (B, M); memory (B, ...) -> (B, A) in [-1, 1]. `reward_unit` is
    one unit of training's rewards in the temperature's.
    """
    count = rule.samples
    repeated = obs if count == 1 else obs.repeat_interleave(count, dim=0)
    scaled = rule.noise_scale * noise["samples"]
    act, memory = algorithm.act_with_memory(networks, repeated, scaled, nfe, memory)
    act = act.clamp(-1.0, 1.0)
    if count == 1:
        return act, memory
    act = act.unflatten(0, (len(obs), count)).transpose(0, 1)  # (M, B, A)
    if not rule.needs_critic:
        return act.mean(dim=0), memory
    score = q_of_samples(networks[algorithm.critic], obs, act).amin(dim=0)  # type: ignore[index]  # (M, B)
    if rule.temperature:
        score = reward_unit / rule.temperature * score + gumbel(noise["choice"].T)
    chosen = score.argmax(dim=0)
    return act.gather(0, chosen[None, :, None].expand(1, -1, act.shape[-1])).squeeze(0), memory


def gumbel(normal: Tensor) -> Tensor:
    """Gumbel noise from normal noise of any shape; the largest of value plus it is drawn by softmax."""
    return -(-torch.special.log_ndtr(normal)).log()
