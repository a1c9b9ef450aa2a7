"""What the trainer, the evaluation and the files expect of a method.

A method is a frozen dataclass of hyperparameters with pure functions for one seed: tensors have a
batch axis and no seed axis, noise arrives as an argument, nothing here moves data, steps an optimiser
or keeps state. The trainer vectorises over seeds from outside.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from torch import Tensor, nn

from gtp.networks import Sizes
from gtp.randomness import Draw


class Batch(NamedTuple):
    """A minibatch of transitions of one seed."""

    obs: Tensor
    """(B, O), standardised if the training configuration says so."""
    act: Tensor
    """(B, A) in [-1, 1]."""
    rew: Tensor
    """(B,), after the task's reward transform."""
    next_obs: Tensor
    """(B, O)"""
    discount: Tensor
    """(B,) gamma per transition, 0 where the episode terminated; a timeout keeps gamma."""


Networks = Mapping[str, Callable[..., Tensor]]
"""Name of a network -> the network with its parameters bound."""

Loss = Callable[[Networks, Batch, Mapping[str, Tensor], Tensor], tuple[Tensor, dict[str, Tensor]]]
"""(networks, batch, draws, progress in [0, 1]) -> (scalar loss, quantities to log)."""


class Update(NamedTuple):
    """One gradient step: which network moves, down which loss, and during which part of training.

    `begin` and `end` are shares of the training steps. An update starts with a fresh optimiser.
    """

    network: str
    loss: Loss
    begin: float = 0.0
    end: float = 1.0


class Copy(NamedTuple):
    """Once the share `at` of the training steps is done, `target` takes over the parameters of `source`.

    Both are names of networks of equal structure; averages, `<network>_ema`, may be named too.
    """

    source: str
    target: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """Interface of a method. The updates whose time it is run once per training step each, in order."""

    generative: ClassVar[bool]
    """Whether acting takes a number of function evaluations (K) that the user may choose."""
    stochastic: ClassVar[bool]
    """Whether actions depend on noise; if not, there is nothing for an acting rule to choose from."""
    acting: ClassVar[tuple[str, ...]]
    """Networks that `act` calls; a policy file contains these, and the critic that may choose."""

    @abstractmethod
    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        """Freshly initialised networks by name."""

    @property
    @abstractmethod
    def averaged(self) -> tuple[str, ...]:
        """Networks of which the trainer keeps an exponential moving average, named `<network>_ema`."""

    @property
    def critic(self) -> str | None:
        """The averaged critic, (obs (B, O), act (B, A)) -> (2, B), that may choose; None for cloning."""
        return "critic_ema" if "critic" in self.averaged else None

    @abstractmethod
    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        """The noise that one training step of one seed needs."""

    @abstractmethod
    def updates(self) -> tuple[Update, ...]:
        """The gradient steps of one training step."""

    def copies(self) -> tuple[Copy, ...]:
        """What is copied between stages of training, in order; most methods have a single stage."""
        return ()

    @abstractmethod
    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        """Actions in [-1, 1]. Shapes: obs (B, O), noise as `noise_shape` says -> (B, A)."""

    def for_reward_unit(self, unit: float) -> Self:
        """This method for rewards of which one unit is `unit` of those that its paper assumes.

        Where a hyperparameter belongs to a scale of rewards it changes with the unit, so that it means the
        same on all tasks; most methods do not depend on the scale. See gtp.data.reward_scale.
        """
        return self

    def noise_shape(self, batch_size: int, action_size: int, nfe: int) -> tuple[int, ...]:
        """Shape of the standard normal noise that `act` consumes; the batch is the last axis but one."""
        return (batch_size, action_size)

    def evaluations(self, nfe: int) -> int:
        """How often `act` calls a network for one action at K = nfe."""
        return nfe if self.generative else 1
