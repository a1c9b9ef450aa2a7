"""MBDPO (arXiv 2605.26282): plans by reverse diffusion in a latent world model, anchored to the data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from gtp.algorithms.common.critics import td_target
from gtp.algorithms.common.interface import (
    Algorithm,
    Average,
    Buffers,
    Memory,
    Networks,
    Optimizer,
    Update,
    Windows,
)
from gtp.networks import Sizes
from gtp.randomness import Draw
from gtp.world_model import losses
from gtp.world_model.model import WorldModel
from gtp.world_model.networks import GaussianPrior, NormedMLP, RunningMoments, RunningScale, ValueHeads
from gtp.world_model.planner import Search, plan
from gtp.world_model.regression import decode


class Preset(NamedTuple):
    """Sizes of a model, and of the search that suits it."""

    encoder_layers: int
    encoder_width: int
    width: int
    """Of both hidden layers of all other networks."""
    latent: int
    heads: int
    """Value heads n."""
    bins: int
    samples: int
    elites: int
    prior_sequences: int


PRESETS = {
    "nano": Preset(1, 64, 64, 32, 2, 51, 64, 8, 6),
    "tiny": Preset(1, 128, 128, 64, 2, 51, 64, 8, 6),
    "small": Preset(1, 256, 256, 128, 3, 101, 128, 16, 8),
    "release_1": Preset(1, 256, 384, 128, 2, 101, 512, 64, 24),
    "full": Preset(1, 256, 512, 512, 5, 101, 512, 64, 24),
    "release_19": Preset(2, 1024, 1024, 768, 5, 101, 512, 64, 24),
    "release_48": Preset(3, 1792, 1792, 768, 5, 101, 512, 64, 24),
    "release_317": Preset(4, 4096, 4096, 1376, 8, 101, 512, 64, 24),
}
"""full is the release's size 5; nano, tiny and small are ours, for machines without a GPU."""

MODEL = ("encoder", "dynamics", "reward", "values", "anchor", "termination")
"""The networks that one optimiser moves."""


@dataclass(frozen=True, kw_only=True)
class MBDPO(Algorithm):
    """A world model of latents, value heads and a policy prior as in TD-MPC2, an anchor F, and a search.

    K = nfe is the number of noise levels N of the search; at K = 1 there is none, and the mean of the policy
    prior acts. Networks have the sizes of the preset, whatever the training configuration's.
    """

    choosable_nfe: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    has_memory: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = (*MODEL, "anchor_moments", "prior")
    acting_fields: ClassVar[tuple[str, ...]] = (
        "eta",
        "search",
        "samples",
        "elites",
        "prior_sequences",
        "temperature",
    )
    averages: ClassVar[tuple[Average, ...]] = (Average("values", 0.99),)

    size: Literal[tuple(PRESETS)] = "tiny"
    """Sizes of the model and of its search (PRESETS)."""
    horizon: int = 3
    """Steps H of windows and of plans."""
    eta: float = 0.1
    """Weight of the anchor in imagined returns, in the model's units of reward; 0 plans without it."""
    search: bool = True
    """Whether it plans at all; without, the mean of the policy prior acts whatever K."""
    samples: int | None = None
    """Candidate sequences M of a level; None stands for the preset's, as in the next two."""
    elites: int | None = None
    """Candidates that count; 0 for all."""
    prior_sequences: int | None = None
    """Candidates that follow the policy prior."""
    temperature: float = 0.5
    """Of the softmax over standardised returns."""
    rho: float = 0.5
    """Decay of the losses' weights along a window, at whose last step alone an episode may terminate; the
    release takes 0.7 for Gym's MuJoCo tasks, whose episodes do."""
    entropy: float = 1e-4
    """Weight of the policy prior's entropy."""
    cloning: float = 0.0
    """Weight of the prior's squared distance to the data's actions; 0 in the paper."""
    scrambled_pairs: bool = False
    """Pair the anchor's latents and actions as the released code does, nearly all wrongly."""
    learning_rate: float = 3e-4
    """Adam's step size; the encoder's is 0.3 of it."""
    discount: float | None = None
    """gamma of imagined returns; None stands for the training configuration's."""
    reward_unit: float = 1.0
    """One unit of training's rewards in the model's. The bins, the floor of Q's scale and the weight of the
    entropy suit rewards of about 1 a step and returns of about 1000, as IQL's (gtp.data.reward_scale)."""

    def __post_init__(self):
        if self.size not in PRESETS:
            raise ValueError(f"size must be one of {', '.join(PRESETS)}, got {self.size!r}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {self.horizon}")
        for name in ("eta", "rho", "entropy", "cloning"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        for name in ("temperature", "learning_rate", "reward_unit"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and positive, got {getattr(self, name)}")
        if self.discount is not None and not 0.0 < self.discount <= 1.0:
            raise ValueError(f"discount must lie in (0, 1], got {self.discount}")
        settings = self.search_settings
        if settings.samples < 2 or min(settings.elites, settings.prior_sequences) < 0:
            raise ValueError("samples must be at least 2, elites and prior_sequences not negative")
        if settings.prior_sequences > settings.samples:
            raise ValueError(
                f"prior_sequences must not exceed {settings.samples} samples, got {settings.prior_sequences}"
            )

    @property
    def preset(self) -> Preset:
        """The sizes of its name."""
        return PRESETS[self.size]

    @property
    def search_settings(self) -> Search:
        """What the planner is told."""
        own = {name: getattr(self, name) for name in ("samples", "elites", "prior_sequences")}
        chosen = {name: getattr(self.preset, name) if own[name] is None else own[name] for name in own}
        return Search(
            horizon=self.horizon,
            temperature=self.temperature,
            discount=1.0 if self.discount is None else self.discount,
            anchor=self.eta,
            **chosen,
        )

    @property
    def window(self) -> int:
        return self.horizon

    def for_reward_unit(self, unit: float) -> Self:
        return replace(self, reward_unit=self.reward_unit * unit)

    def for_discount(self, discount: float) -> Self:
        return self if self.discount is not None else replace(self, discount=discount)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        own = self.preset
        hidden = (own.width, own.width)
        pair = own.latent + sizes.action
        encoder = (own.encoder_width,) * own.encoder_layers
        return {
            "encoder": NormedMLP((sizes.observation, *encoder, own.latent), latent=True),
            "dynamics": NormedMLP((pair, *hidden, own.latent), latent=True),
            "reward": NormedMLP((pair, *hidden, own.bins), zero=True),
            "values": ValueHeads((pair, *hidden, own.bins), own.heads),
            "prior": GaussianPrior((own.latent, *hidden, 2 * sizes.action)),
            "anchor": NormedMLP((pair, *hidden, 1), zero=True),
            "termination": NormedMLP((own.latent, *hidden, 1)),
            "anchor_moments": RunningMoments(),
            "value_scale": RunningScale(),
        }

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        window = (self.horizon, batch_size, action_size)
        return {
            "next_action": Draw("normal", window),
            "negative": Draw("normal", window),
            "jitter": Draw("normal", window),
            "uniform": Draw("uniform", window),
            "prior": Draw("normal", (self.horizon + 1, batch_size, action_size)),
            "heads": Draw("uniform", (self.preset.heads,)),
        }

    def updates(self) -> tuple[Update, ...]:
        model = Optimizer(learning_rate=self.learning_rate, factors={"encoder": 0.3}, gradient_clip=20.0)
        prior = Optimizer(learning_rate=self.learning_rate, gradient_clip=20.0, epsilon=1e-5)
        return (
            Update(MODEL, self.model_loss, optimizer=model, label="model"),
            Update("prior", self.prior_loss, optimizer=prior),
        )

    def model_loss(
        self, networks: Networks, batch: Windows, draws: Mapping[str, Tensor], progress: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Buffers]:
        """20 L_cons + 0.1 L_reward + 0.1 L_value + L_term + L_anchor along an open-loop rollout."""
        model = WorldModel.of(networks)
        arrived = networks["encoder"](batch.obs[1:]).detach()
        end = networks["encoder"](batch.backup_obs).detach()
        end_q = decode(networks["values_ema"](end, model.sample(end, draws["next_action"])))
        target = td_target(self.reward_unit * batch.backup_rew, batch.discount, end_q[:2])
        latents = model.rollout(networks["encoder"](batch.obs[0]), batch.act)
        reached, latents = latents[1:], latents[:-1]
        q = model.values(latents, batch.act)
        known = latents.detach()
        paired = losses.scrambled(batch.act) if self.scrambled_pairs else batch.act
        negatives = losses.hard_negatives(model, known, draws["negative"], draws["jitter"], draws["uniform"])
        positive, negative = model.anchor(known, paired), model.anchor(known, negatives)
        parts = {
            "consistency": losses.consistency_loss(reached, arrived, self.rho),
            "reward": losses.reward_loss(
                model.reward(latents, batch.act), self.reward_unit * batch.rew, self.rho
            ),
            "value": losses.value_loss(q, target, self.rho),
            "termination": losses.termination_loss(model.termination(reached), batch.terminated),
            "anchor": losses.anchor_loss(positive, negative),
        }
        total = (
            20.0 * parts["consistency"]
            + 0.1 * (parts["reward"] + parts["value"])
            + parts["termination"]
            + parts["anchor"]
        )
        moments = losses.moved_moments(*model.anchor_moments(), positive, negative)
        logged = {f"loss/{name}": value for name, value in parts.items()}
        logged |= {
            "q/mean": decode(q[0]).mean(),
            "anchor/data": positive.mean(),
            "anchor/other": negative.mean(),
        }
        return total, logged, {"anchor_moments": moments}

    def prior_loss(
        self, networks: Networks, batch: Windows, draws: Mapping[str, Tensor], progress: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Buffers]:
        """The prior climbs the mean of two value heads on latents that no gradient reaches."""
        model = WorldModel.of(networks)
        latents = model.rollout(networks["encoder"](batch.obs[0]), batch.act).detach()
        mean, log_std = model.prior(latents)
        act = (mean + log_std.exp() * draws["prior"]).tanh()
        q = model.value(latents, act, draws["heads"])
        scale = losses.moved_scale(networks["value_scale"](), q[0])
        loss = losses.prior_loss(q, log_std, draws["prior"], scale.detach(), self.rho, self.entropy)
        if self.cloning:
            loss = loss + self.cloning * (mean[:-1].tanh() - batch.act).square().mean()
        logged = {"q/prior": q.mean(), "prior/std": log_std.exp().mean(), "q/scale": scale}
        return loss, logged, {"value_scale": {"scale": scale}}

    def noise_shape(self, batch_size: int, action_size: int, nfe: int) -> tuple[int, ...]:
        if nfe == 1 or not self.search:
            return (batch_size, action_size)
        return (nfe - 1, self.search_settings.noise_rows(self.preset.heads), batch_size, action_size)

    def evaluations(self, nfe: int) -> int:
        """Imagined steps of one action, M H at each of the N - 1 levels that denoise; 1 without a search."""
        settings = self.search_settings
        return (nfe - 1) * settings.samples * settings.horizon if nfe > 1 and self.search else 1

    def first_memory(self, batch_size: int, action_size: int) -> Memory:
        return {"plan": torch.zeros(batch_size, self.horizon, action_size)}

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        start = self.first_memory(len(obs), noise.shape[-1])
        return self.act_with_memory(networks, obs, noise, nfe, start)[0]

    def act_with_memory(
        self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int, memory: Memory
    ) -> tuple[Tensor, Memory]:
        """The first action of a plan that begins as the last one, a step on: receding horizon."""
        model = WorldModel.of(networks)
        latent = networks["encoder"](obs)
        if nfe == 1 or not self.search:
            return model.prior(latent)[0].tanh(), memory
        start = memory["plan"].to(obs.device).transpose(0, 1)
        start = torch.cat([start[1:], torch.zeros_like(start[:1])])
        found = plan(model, latent, start, noise, self.search_settings)
        return found[0], {"plan": found.transpose(0, 1)}


ALGORITHM = MBDPO
