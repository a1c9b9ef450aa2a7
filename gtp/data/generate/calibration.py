"""The share of their noise that behaviour policies record with: the one with which cloning has D4RL's gain.

No learner takes part. On D4RL, behaviour cloning of the medium data, which acts with the mean, returns a bit
more than the policy that was recorded with its noise. Here the medium policy does without noise what cloning
would do at best; its noise is scaled until the gain is D4RL's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from gtp.data.generate.behaviour.policy import load_policies
from gtp.data.generate.behaviour.robots import RUNNERS
from gtp.data.generate.recipe import Actor, random_actor
from gtp.data.summaries.reference_returns import roll_out
from gtp.envs.make import make_simulator
from gtp.progress import Progress

FACTORS = (1.0, 0.85, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05)


@dataclass(frozen=True)
class Gain:
    """What the medium policy returns with a share of its noise, and what it gains without any."""

    robot: str
    factor: float
    """Multiplies the standard deviation of the actions."""
    mean: float
    """Mean return of an episode, raw rewards."""
    low: float
    """95 % Student-t interval of the mean over episodes."""
    high: float
    length: float
    """Mean number of steps of an episode."""
    gain: float
    """Return without noise over `mean`, both above a random policy's return."""


def measure_gains(
    robot: str, episodes: int = 200, factors: Sequence[float] = FACTORS, seed: int = 0
) -> Iterator[Gain]:
    """Roll out a robot's medium policy with each factor, from the same initial states.

    Raises: ValueError when there are no behaviour policies of that robot in tiers.
    """
    if robot not in RUNNERS:
        raise ValueError(f"no data are recorded with the robot {robot!r}; choose {' or '.join(RUNNERS)}")
    environment = make_simulator(RUNNERS[robot].training.environment, max_episode_steps=1000)
    medium = load_policies(robot).medium
    progress = Progress(f"noise of the {robot}", (2 + len(factors)) * episodes, "episodes")

    def acting_with(noise: float) -> Callable[[np.random.Generator], Actor]:
        return lambda rng: partial(medium.act, rng=rng, noise=noise)

    measure = partial(roll_out, environment, "", episodes=episodes, seed=seed, finished=progress.advance)
    random = measure(make=lambda rng: random_actor(environment.action_space, rng)).mean
    best = measure(make=acting_with(0.0))
    for factor in (0.0, *factors):
        found = measure(make=acting_with(factor)) if factor else best
        gain = (best.mean - random) / (found.mean - random)
        yield Gain(robot, factor, found.mean, found.low, found.high, found.length, gain)


def matching_factor(gains: Sequence[Gain], wanted: float) -> float | None:
    """The factor, interpolated, where the gain first falls to `wanted` as noise is taken away, if it does."""
    falling = sorted(gains, key=lambda row: -row.factor)
    for above, below in pairwise(falling):
        if above.gain > wanted >= below.gain:
            share = (wanted - below.gain) / (above.gain - below.gain)
            return below.factor + share * (above.factor - below.factor)
    return None
