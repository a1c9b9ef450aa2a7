"""What the trainer, the evaluation and the files expect of a method.

A method is a frozen dataclass of hyperparameters with pure functions for one seed: tensors have a
batch axis and no seed axis, noise arrives as an argument, nothing here moves data, steps an optimiser
or keeps state. The trainer vectorises over seeds from outside.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Self

from torch import Tensor, nn
from torch.func import functional_call

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


class Windows(NamedTuple):
    """A minibatch of windows of one seed: H consecutive steps inside one episode, time first."""

    obs: Tensor
    """(H + 1, B, O), standardised if the training configuration says so."""
    act: Tensor
    """(H, B, A) in [-1, 1]."""
    rew: Tensor
    """(H, B), after the task's reward transform."""
    terminated: Tensor
    """(H, B), 1 where the episode terminated, which can only be at the last step; a timeout is 0."""
    backup_rew: Tensor
    """(H, B), sum_k gamma^k r_k of a backup over as many steps as the training configuration says."""
    backup_obs: Tensor
    """(H, B, O), where that backup ends; it may lie beyond the window, never beyond the episode."""
    discount: Tensor
    """(H, B) gamma^m (1 - d) of the backup's end after m steps."""


Networks = Mapping[str, Callable[..., Tensor]]
"""Name of a network -> the network with its parameters bound."""

Leaves = dict[str, Tensor]
"""Name of a parameter or buffer inside a network -> its value."""

Buffers = dict[str, Leaves]
"""Name of a network -> new values of those of its buffers that change."""

Loss = Callable[..., tuple[Tensor, dict[str, Tensor]] | tuple[Tensor, dict[str, Tensor], Buffers]]
"""(networks, batch, draws, progress in [0, 1]) -> (scalar loss, quantities to log[, buffers that change]).

The batch is a Batch or, for a method with a `window`, Windows. Buffers of a network are what it keeps beside
its parameters: no gradient moves them, a loss that counts or averages something returns their new values."""


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Settings of one update's Adam; None stands for the training configuration's."""

    learning_rate: float | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    """Network -> factor of its step size; 1 for those not named."""
    gradient_clip: float | None = None
    """Largest global norm of the gradient of all the update's networks together; 0 switches clipping off."""
    epsilon: float = 1e-8


class Update(NamedTuple):
    """One gradient step: which networks move, down which loss, how often and during which part of training.

    `begin` and `end` are shares of the training steps. An update starts with a fresh optimiser. No two
    updates of one part of training move the same network.
    """

    networks: str | tuple[str, ...]
    loss: Loss
    begin: float = 0.0
    end: float = 1.0
    every: int = 1
    """It runs in each `every`-th training step of its part of training."""
    optimizer: Optimizer = Optimizer()
    label: str = ""
    """Its name in logs; the networks' by default."""

    @property
    def moved(self) -> tuple[str, ...]:
        """The names of the networks that it moves."""
        return (self.networks,) if isinstance(self.networks, str) else self.networks

    @property
    def name(self) -> str:
        """What logs call it."""
        return self.label or "+".join(self.moved)


class Average(NamedTuple):
    """An exponential moving average of a network, named `<network>_ema`."""

    network: str
    decay: float | None = None
    """None stands for the training configuration's."""
    every: int = 1
    """It is taken in each `every`-th training step."""


class Copy(NamedTuple):
    """Once the share `at` of the training steps is done, `target` takes over the parameters of `source`.

    Both are names of networks of equal structure; averages, `<network>_ema`, may be named too.
    """

    source: str
    target: str
    at: float


Memory = Mapping[str, Tensor]
"""What an actor remembers from one action to the next: name -> (B, ...), a row for each environment."""

NOTHING: Memory = MappingProxyType({})
"""The memory of a method that has none."""


@dataclass(frozen=True, kw_only=True)
class Algorithm(ABC):
    """Interface of a method. The updates whose time it is run once per training step each, in order."""

    choosable_nfe: ClassVar[bool]
    """Whether acting takes a number of function evaluations (K) that the user may choose."""
    stochastic: ClassVar[bool]
    """Whether actions depend on noise; if not, there is nothing for an acting rule to choose from."""
    acting_networks: ClassVar[tuple[str, ...]]
    """Networks that `act` calls; a policy file contains these, and the critic that may choose."""

    acting_fields: ClassVar[tuple[str, ...]] = ()
    """Hyperparameters that no update reads: with other values, the same weights act otherwise."""

    has_memory: ClassVar[bool] = False
    """Whether an action depends on what was remembered at the one before; it then is one sample's."""

    @property
    def window(self) -> int:
        """Steps H of the windows that losses take as their batch; 0 for single transitions."""
        return 0

    @abstractmethod
    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        """Freshly initialised networks by name."""

    @property
    @abstractmethod
    def averages(self) -> tuple[Average, ...]:
        """The moving averages that the trainer keeps, taken after the updates of a step."""

    @property
    def critic(self) -> str | None:
        """The averaged critic, (obs (B, O), act (B, A)) -> (2, B), that may choose; None for cloning."""
        return "critic_ema" if any(average.network == "critic" for average in self.averages) else None

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
        """Actions in [-1, 1], at the beginning of an episode for a method with a memory.

        Shapes: obs (B, O), noise as `noise_shape` says -> (B, A).
        """

    def first_memory(self, batch_size: int, action_size: int) -> Memory:
        """The memory of B environments at the beginning of an episode."""
        return NOTHING

    def act_with_memory(
        self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int, memory: Memory
    ) -> tuple[Tensor, Memory]:
        """`act`, and what to remember for the next step of the same environments."""
        return self.act(networks, obs, noise, nfe), memory

    def for_reward_unit(self, unit: float) -> Self:
        """This method for rewards of which one unit is `unit` of those that its paper assumes.

        Where a hyperparameter belongs to a scale of rewards it changes with the unit, so that it means the
        same on all tasks; most methods do not depend on the scale. See gtp.data.reward_scale.
        """
        return self

    def for_discount(self, discount: float) -> Self:
        """This method for a training's discount; what plans ahead when it acts needs to know it."""
        return self

    def noise_shape(self, batch_size: int, action_size: int, nfe: int) -> tuple[int, ...]:
        """Shape of the standard normal noise that `act` consumes; the batch is the last axis but one."""
        return (batch_size, action_size)

    def evaluations(self, nfe: int) -> int:
        """How often `act` calls a network for one action at K = nfe."""
        return nfe if self.choosable_nfe else 1


def bind(modules: Mapping[str, nn.Module], params: Mapping[str, Leaves]) -> Networks:
    """Networks as callables with one seed's parameters bound; `<name>_ema` shares the module of `<name>`."""

    def network(name: str) -> Callable[..., Tensor]:
        return lambda *inputs: functional_call(modules[name.removesuffix("_ema")], params[name], inputs)

    return {name: network(name) for name in params}
