"""Parameters of all seeds of a run and the one function that moves them: a compiled, vectorised update.

Parameters are stacked along a leading seed axis S. A method's losses know nothing of it: they are
differentiated for one seed and vectorised with torch.func.vmap. The whole training step (gather the
minibatch, every gradient step, Adam, moving averages) is one function, compiled once; on CUDA it is
captured into one graph. Not every update runs in every step: each combination that occurs has its own
compiled function, and which one runs follows from the number of steps alone.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from gtp.algorithms.common.interface import Algorithm, Networks, Update, bind
from gtp.config import TrainConfig
from gtp.networks import Sizes
from gtp.products import with_rounded_products
from gtp.randomness import BLOCK, derive_seed, draw_block
from gtp.training import compiler
from gtp.training.captured import Captured
from gtp.training.optimizer import adam_, average_, clip_by_global_norm
from gtp.training.precision import products_in, require_precision
from gtp.training.samplers import Columns, Sampler, minibatch


class Phase(NamedTuple):
    """Which updates and moving averages one training step takes, by their places in the method's lists."""

    updates: tuple[int, ...]
    averages: tuple[int, ...]


class Learner:
    """State of one training run: `params`, Adam's moments, and the step at which a seed diverged."""

    def __init__(
        self,
        algorithm: Algorithm,
        config: TrainConfig,
        observation_size: int,
        action_size: int,
        seeds: list[int],
        device: torch.device,
        compiled: bool,
    ):
        require_precision(config.matmul_precision, device)
        sizes = Sizes(
            observation_size,
            action_size,
            config.hidden_size,
            config.hidden_layers,
            config.critic_layer_norm,
        )
        self.algorithm, self.config, self.seeds, self.device = algorithm, config, list(seeds), device
        # Asked for once: torch 2.11 cannot trace where their settings are made.
        self.updates, self.averages = algorithm.updates(), algorithm.averages
        self.modules, self.params = initialise(algorithm, sizes, self.seeds, device)
        rounded = config.matmul_precision == "bfloat16"
        self.training_modules = with_rounded_products(self.modules) if rounded else self.modules
        self.trained = {
            name: tuple(leaf for leaf, _ in self.modules[name].named_parameters())
            for update in self.updates
            for name in update.moved
        }
        self.first, self.second = self._zeros(), self._zeros()
        self.diverged_at = torch.full((len(seeds),), -1, dtype=torch.int64, device=device)
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        self.steps_done = 0
        self.stages = stage_starts(algorithm, config.steps)
        self.quantities: list[str] = []
        self._quantities: dict[Phase, list[str]] = {}
        self._update = compiler.compiled(self.raw_update, device) if compiled else self.raw_update
        self._graphs: dict[Phase, Captured] = {}

    def _zeros(self) -> dict[str, dict[str, Tensor]]:
        """A zero for each trained parameter: network -> leaf -> (S, ...)."""
        return {
            network: {leaf: torch.zeros_like(self.params[network][leaf]) for leaf in leaves}
            for network, leaves in self.trained.items()
        }

    @property
    def stage(self) -> int:
        """The stage of the next update, named by the steps done before it."""
        return self.stages[bisect_right(self.stages, self.steps_done) - 1]

    @property
    def phase(self) -> Phase:
        """The updates and moving averages of the next training step."""
        number = self.steps_done + 1
        updates = []
        for i, update in enumerate(self.updates):
            begin, end = span(update, self.config.steps)
            if begin < number <= end and (number - begin) % update.every == 0:
                updates.append(i)
        averages = [i for i, average in enumerate(self.averages) if number % average.every == 0]
        return Phase(tuple(updates), tuple(averages))

    def inputs(self, sampler: Sampler) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Minibatch rows (S, B) and noise name -> (S, ...) for one update after the other, without end."""
        draws = self.algorithm.draws(self.config.batch_size, sampler.action_size)
        block, offset = divmod(self.steps_done, BLOCK)
        while True:
            rows = sampler.rows(self.config.batch_size, self.seeds, block)
            noise = draw_block(draws, self.seeds, block, self.device)
            for i in range(offset, BLOCK):
                yield rows[i], {name: values[i] for name, values in noise.items()}
            block, offset = block + 1, 0

    def update(self, sampler: Sampler, rows: Tensor, draws: dict[str, Tensor]) -> Tensor:
        """One training step of every seed; the logged quantities, (Q, S) in the order of `quantities`.

        Shapes: rows (S, B) int64, draws name -> (S, ...).
        """
        with products_in(self.config.matmul_precision):
            return self._step(sampler, rows, draws)

    def _step(self, sampler: Sampler, rows: Tensor, draws: dict[str, Tensor]) -> Tensor:
        if self.stage == self.steps_done:
            self._enter(self.stage)
        phase = self.phase
        self.steps_done += 1
        if self.device.type != "cuda":
            logged = self._update(sampler.columns, rows, draws, phase)
        else:
            inputs = (rows, *draws.values())
            if phase not in self._graphs:

                def update(rows: Tensor, *values: Tensor) -> Tensor:
                    return self._update(sampler.columns, rows, dict(zip(draws, values, strict=True)), phase)

                self._graphs[phase] = Captured(update, inputs, self.state())
            logged = self._graphs[phase](*inputs)
        self.quantities = self._quantities.setdefault(phase, self.quantities)  # a graph does not set them
        return logged

    def _enter(self, stage: int) -> None:
        """Before the first update of a stage: copies that are due, fresh optimisers for what begins."""
        for copy in self.algorithm.copies():
            if round(copy.at * self.config.steps) == stage:
                for name, value in self.params[copy.target].items():
                    value.copy_(self.params[copy.source][name])
        for update in self.updates:
            if span(update, self.config.steps)[0] == stage:
                for network in update.moved:
                    for value in (*self.first[network].values(), *self.second[network].values()):
                        value.zero_()

    def start_at(self, step: int) -> None:
        """Set the count of updates to `step` without making them, to measure or test a later stage alone."""
        self.step.fill_(step)
        self.steps_done = step

    def raw_update(self, columns: Columns, rows: Tensor, draws: dict[str, Tensor], phase: Phase) -> Tensor:
        """`update` within a phase as plain Python: what is compiled and captured."""
        self.step += 1
        progress = (self.step - 1).float() / self.config.steps
        batch = minibatch(columns, rows, self.algorithm.window)
        logged: dict[str, Tensor] = {}
        finite = torch.ones_like(self.diverged_at, dtype=torch.bool)
        for update in (self.updates[i] for i in phase.updates):
            gradient = vmap(partial(self._gradient, update), in_dims=(0, 0, 0, None))
            gradients, value, norm, extra, buffers = gradient(self.params, batch, draws, progress)
            for network, leaves in buffers.items():
                for leaf, new in leaves.items():
                    self.params[network][leaf].copy_(new)
            self._descend(update, gradients)
            finite = finite & value.isfinite() & norm.isfinite()
            logged |= {f"loss/{update.name}": value, f"gradient_norm/{update.name}": norm, **extra}
        for average in (self.averages[i] for i in phase.averages):
            decay = self.config.ema_decay if average.decay is None else average.decay
            average_(self.params[f"{average.network}_ema"], self.params[average.network], decay)
        self.diverged_at.copy_(torch.where(~finite & (self.diverged_at < 0), self.step, self.diverged_at))
        self.quantities = list(logged)
        return torch.stack([value.detach() for value in logged.values()])

    def _gradient(self, update: Update, params: dict, batch, draws: dict, progress: Tensor):
        """Clipped gradient of one seed's loss with respect to an update's networks; no seed axis.

        Returns: network -> leaf -> gradient, the loss, the gradient's norm, what is logged, changed buffers.
        """

        def objective(leaves):
            moved = {network: {**params[network], **leaves[network]} for network in update.moved}
            result = update.loss(bind(self.training_modules, {**params, **moved}), batch, draws, progress)
            value, logged, buffers = result if len(result) == 3 else (*result, {})
            # Computed, even where it is a parameter: torch's compiler would copy that after its own step.
            sound = value.isfinite()
            kept = {
                network: {leaf: torch.where(sound, new, params[network][leaf]) for leaf, new in own.items()}
                for network, own in buffers.items()
            }
            return value, (logged, kept)

        leaves = {n: {leaf: params[n][leaf] for leaf in self.trained[n]} for n in update.moved}
        gradients, (value, (logged, buffers)) = grad_and_value(objective, has_aux=True)(leaves)
        limit = update.optimizer.gradient_clip
        limit = self.config.gradient_clip if limit is None else limit
        gradients, norm = clip_by_global_norm(gradients, limit)
        return gradients, value, norm, logged, buffers

    def _descend(self, update: Update, gradients: dict) -> None:
        """One step of an update's Adam on all its networks."""
        begin, _ = span(update, self.config.steps)
        count = ((self.step - begin) // update.every).float()
        settings = update.optimizer
        rate = self.config.learning_rate if settings.learning_rate is None else settings.learning_rate
        for network in update.moved:
            adam_(
                self.params[network],
                gradients[network],
                self.first[network],
                self.second[network],
                count,
                rate * settings.factors.get(network, 1.0),
                settings.epsilon,
            )

    def state(self) -> dict[str, Tensor]:
        """Everything that training changes, flat, by reference: a checkpoint is a copy of these tensors."""
        flat = {"diverged_at": self.diverged_at, "step": self.step}
        for kind, tree in (("params", self.params), ("first", self.first), ("second", self.second)):
            flat |= {
                f"{kind}/{network}/{name}": v
                for network, leaves in tree.items()
                for name, v in leaves.items()
            }
        return flat

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Copy a checkpoint, as `state` returned it, into place."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.steps_done = int(self.step)

    def networks(self, place: int = 0) -> Networks:
        """The networks of the seed at this place as callables, with its parameters as they are now."""
        own = {name: {leaf: v[place] for leaf, v in leaves.items()} for name, leaves in self.params.items()}
        return bind(self.modules, own)

    def acting_params(self) -> dict[str, Tensor]:
        """Parameters of the networks that act, the critic among them: `network/leaf` -> (S, ...)."""
        networks = [*self.algorithm.acting_networks, *filter(None, [self.algorithm.critic])]
        return {f"{name}/{leaf}": v for name in networks for leaf, v in self.params[name].items()}


def span(update: Update, steps: int) -> tuple[int, int]:
    """The steps done before an update's first and after its last, in a training of `steps`."""
    return round(update.begin * steps), round(update.end * steps)


def stage_starts(algorithm: Algorithm, steps: int) -> list[int]:
    """Numbers of steps after which other updates run than before, increasing from 0."""
    changes = {step for update in algorithm.updates() for step in span(update, steps)}
    changes |= {round(copy.at * steps) for copy in algorithm.copies()}
    return [0, *sorted(step for step in changes if 0 < step < steps)]


def initialise(algorithm: Algorithm, sizes: Sizes, seeds: list[int], device: torch.device):
    """Modules (structure only) and the seeds' initial parameters, network -> leaf -> (S, ...).

    torch's layers initialise themselves from the global generator: it is seeded for each seed and put
    back afterwards.
    """
    per_seed = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(derive_seed(seed, "initialisation"))
            modules = algorithm.networks(sizes)
            per_seed.append(modules)
    params = {
        name: {
            leaf: torch.stack([networks[name].state_dict()[leaf] for networks in per_seed]).to(device)
            for leaf in module.state_dict()
        }
        for name, module in modules.items()
    }
    for average in algorithm.averages:
        leaves = params[average.network].items()
        params[f"{average.network}_ema"] = {leaf: value.clone() for leaf, value in leaves}
    return {name: module.to("meta") for name, module in modules.items()}, params
