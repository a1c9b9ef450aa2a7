"""Parameters of all seeds of a run and the one function that moves them: a compiled, vectorised update.

Parameters are stacked along a leading seed axis S. A method's losses know nothing of it: they are
differentiated for one seed and vectorised with torch.func.vmap. The whole training step (gather the
minibatch, every gradient step, Adam, moving averages) is one function, compiled once; on CUDA it is
captured into one graph. A method may change its updates during training: each such stage has its own
compiled function, and which one runs follows from the number of steps alone.
"""

import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from gtp.algorithms.common.interface import Algorithm, Batch, Networks, Update
from gtp.config import TrainConfig
from gtp.networks import Sizes
from gtp.randomness import BLOCK, derive_seed, draw_block, draw_indices
from gtp.training.optimizer import adam_, average_, clip_by_global_norm


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
        sizes = Sizes(
            observation_size,
            action_size,
            config.hidden_size,
            config.hidden_layers,
            config.critic_layer_norm,
        )
        self.algorithm, self.config, self.seeds, self.device = algorithm, config, list(seeds), device
        self.modules, self.params = initialise(algorithm, sizes, self.seeds, device)
        trained = [update.network for update in algorithm.updates()]
        self.first = {n: {k: torch.zeros_like(v) for k, v in self.params[n].items()} for n in trained}
        self.second = {n: {k: torch.zeros_like(v) for k, v in self.params[n].items()} for n in trained}
        self.diverged_at = torch.full((len(seeds),), -1, dtype=torch.int64, device=device)
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        self.steps_done = 0
        self.stages = stage_starts(algorithm, config.steps)
        self.quantities: list[str] = []
        self._update = (
            torch.compile(self.raw_update, dynamic=False, fullgraph=True) if compiled else self.raw_update
        )
        self._graphs: dict[int, CapturedUpdate] = {}

    @property
    def stage(self) -> int:
        """The stage of the next update, named by the steps done before it."""
        return self.stages[bisect_right(self.stages, self.steps_done) - 1]

    def inputs(self, data: Batch) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Minibatch rows (S, B) and noise name -> (S, ...) for one update after the other, without end."""
        size, action_size = data.act.shape
        draws = self.algorithm.draws(self.config.batch_size, action_size)
        block, offset = divmod(self.steps_done, BLOCK)
        while True:
            rows = draw_indices(size, self.config.batch_size, self.seeds, block, self.device)
            noise = draw_block(draws, self.seeds, block, self.device)
            for i in range(offset, BLOCK):
                yield rows[i], {name: values[i] for name, values in noise.items()}
            block, offset = block + 1, 0

    def update(self, data: Batch, rows: Tensor, draws: dict[str, Tensor]) -> Tensor:
        """One training step of every seed; the logged quantities, (Q, S) in the order of `quantities`.

        Shapes: data holds whole columns (N, ...), rows (S, B) int64, draws name -> (S, ...).
        """
        stage = self.stage
        if stage == self.steps_done:
            self._enter(stage)
        self.steps_done += 1
        if self.device.type != "cuda":
            return self._update(data, rows, draws, stage)
        if stage not in self._graphs:
            update = partial(self._update, stage=stage)
            self._graphs[stage] = CapturedUpdate(update, self.state(), data, rows, draws)
        return self._graphs[stage](rows, draws)

    def _enter(self, stage: int) -> None:
        """Before the first update of a stage: copies that are due, fresh optimisers for what begins."""
        for copy in self.algorithm.copies():
            if round(copy.at * self.config.steps) == stage:
                for name, value in self.params[copy.target].items():
                    value.copy_(self.params[copy.source][name])
        for update in self.algorithm.updates():
            if span(update, self.config.steps)[0] == stage:
                for moments in (self.first, self.second):
                    for value in moments[update.network].values():
                        value.zero_()

    def start_at(self, step: int) -> None:
        """Count as if `step` updates had been made, so that a later stage can be looked at by itself."""
        self.step.fill_(step)
        self.steps_done = step

    def raw_update(self, data: Batch, rows: Tensor, draws: dict[str, Tensor], stage: int) -> Tensor:
        """`update` within a stage as plain Python: what is compiled and captured."""
        self.step += 1
        progress = (self.step - 1).float() / self.config.steps
        batch = Batch(*(column[rows] for column in data))
        logged: dict[str, Tensor] = {}
        finite = torch.ones_like(self.diverged_at, dtype=torch.bool)
        for update in self.algorithm.updates():
            begin, end = span(update, self.config.steps)
            if not begin <= stage < end:
                continue
            network = update.network
            gradient = partial(self._gradient, network, update.loss)
            gradients, value, norm, extra = vmap(gradient, in_dims=(0, 0, 0, None))(
                self.params, batch, draws, progress
            )
            adam_(
                self.params[network],
                gradients,
                self.first[network],
                self.second[network],
                (self.step - begin).float(),
                self.config.learning_rate,
            )
            finite = finite & value.isfinite() & norm.isfinite()
            logged |= {f"loss/{network}": value, f"gradient_norm/{network}": norm, **extra}
        for network in self.algorithm.averaged:
            average_(self.params[f"{network}_ema"], self.params[network], self.config.ema_decay)
        self.diverged_at.copy_(torch.where(~finite & (self.diverged_at < 0), self.step, self.diverged_at))
        self.quantities = list(logged)
        return torch.stack([value.detach() for value in logged.values()])

    def _gradient(
        self, network: str, loss: Callable, params: dict, batch: Batch, draws: dict, progress: Tensor
    ):
        """Clipped gradient of one seed's loss with respect to one network; shapes have no seed axis."""

        def objective(leaves):
            value, logged = loss(bind(self.modules, {**params, network: leaves}), batch, draws, progress)
            return value, logged

        gradients, (value, logged) = grad_and_value(objective, has_aux=True)(params[network])
        gradients, norm = clip_by_global_norm(gradients, self.config.gradient_clip)
        return gradients, value, norm, logged

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
        """Copy a checkpoint into place. Raises KeyError or RuntimeError when names or shapes differ."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.steps_done = int(self.step)

    def networks(self) -> Networks:
        """The first seed's networks as callables, with its parameters as they are now."""
        first = {name: {leaf: v[0] for leaf, v in leaves.items()} for name, leaves in self.params.items()}
        return bind(self.modules, first)

    def acting_params(self) -> dict[str, Tensor]:
        """Parameters of the networks that act, the critic among them: `network/leaf` -> (S, ...)."""
        critic = [self.algorithm.critic] if self.algorithm.critic else []
        return {f"{n}/{k}": v for n in (*self.algorithm.acting, *critic) for k, v in self.params[n].items()}


class CapturedUpdate:
    """One training step as a CUDA graph: launched as a whole, without Python between its kernels."""

    def __init__(self, update: Callable, state: dict[str, Tensor], data: Batch, rows: Tensor, draws: dict):
        self.rows, self.draws = rows.clone(), {name: value.clone() for name, value in draws.items()}
        before = {name: tensor.clone() for name, tensor in state.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # compile, and let libraries allocate their workspaces outside the capture
                update(data, self.rows, self.draws)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.logged = update(data, self.rows, self.draws)
        for name, tensor in state.items():  # the warm-up must not count as training
            tensor.copy_(before[name])

    def __call__(self, rows: Tensor, draws: dict[str, Tensor]) -> Tensor:
        self.rows.copy_(rows)
        for name, value in draws.items():
            self.draws[name].copy_(value)
        self.graph.replay()
        return self.logged


def span(update: Update, steps: int) -> tuple[int, int]:
    """The steps done before an update's first and after its last, in a training of `steps`."""
    return round(update.begin * steps), round(update.end * steps)


def stage_starts(algorithm: Algorithm, steps: int) -> list[int]:
    """Numbers of steps after which other updates run than before, increasing from 0."""
    changes = {step for update in algorithm.updates() for step in span(update, steps)}
    changes |= {round(copy.at * steps) for copy in algorithm.copies()}
    return [0, *sorted(step for step in changes if 0 < step < steps)]


def bind(modules: dict[str, torch.nn.Module], params: dict[str, dict[str, Tensor]]) -> Networks:
    """Networks as callables with one seed's parameters bound; `<name>_ema` shares the module of `<name>`."""

    def network(name: str) -> Callable[..., Tensor]:
        return lambda *inputs: functional_call(modules[name.removesuffix("_ema")], params[name], inputs)

    return {name: network(name) for name in params}


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
    for name in algorithm.averaged:
        params[f"{name}_ema"] = {leaf: value.clone() for leaf, value in params[name].items()}
    return {name: module.to("meta") for name, module in modules.items()}, params


def compiler_available(device: torch.device) -> bool:
    """Whether torch.compile has what it needs: a C++ compiler, and Triton for CUDA."""
    if device.type == "cuda":
        return torch.utils._triton.has_triton() and bool(shutil.which("gcc") or shutil.which("clang"))
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))
