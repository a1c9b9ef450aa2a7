"""A conditional generative model of actions: what methods that clone with one hold, and never inherit."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from gtp.networks import Sizes, action_network
from gtp.randomness import Draw


class GenerativeModel(ABC):
    """A frozen dataclass of a model's settings, with its loss and its sampler for one seed.

    A network is given bound; its moving average, where a loss has a teacher, beside it.
    """

    def network(self, sizes: Sizes) -> nn.Module:
        """A freshly initialised network."""
        return action_network(sizes)

    @abstractmethod
    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        """The noise that the loss needs."""

    @abstractmethod
    def loss(
        self,
        network: Callable[..., Tensor],
        average: Callable[..., Tensor],
        obs: Tensor,
        act: Tensor,
        draws: Mapping[str, Tensor],
        progress: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What fits the model to the actions: the mean over the minibatch, and what is logged.

        Shapes: obs (B, O), act (B, A), progress () in [0, 1] -> ().
        """

    @abstractmethod
    def sample(self, network: Callable[..., Tensor], obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        """Actions by nfe evaluations. Shapes: obs (B, O), noise (at least nfe, B, A) -> (B, A) in [-1, 1]."""
