"""The robots that behaviour policies are trained for: ROBOTS is their only list."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Training:
    """One robot's training run; PPO's other settings are Stable-Baselines3's defaults."""

    environment: str
    """Gymnasium id; AntGoals is gtp.data.generate.behaviour.ant's."""
    steps: int
    """Environment steps."""
    horizon: int
    """Steps of an episode."""
    width: int
    """Units in each of the two hidden layers of actor and critic."""
    tiers: bool
    """Whether to ship the policies on the way too, or the last alone."""
    simulators: int = 16
    rollout: int = 256
    """Steps of each simulator between two updates of the policy."""
    batch_size: int = 256
    epochs: int = 10
    learning_rate: float = 3e-4
    """At the start; falls linearly to 0."""
    log_std: float = -0.5
    """Logarithm of the standard deviation of the actions at the start."""
    snapshot_rollouts: int = 5
    """The policy is kept every so many rollouts."""


@dataclass(frozen=True, kw_only=True)
class Locomotion:
    """How data in D4RL's tiers are recorded with a robot; its environment is that of training."""

    noise: float
    """Share of a policy's standard deviation that it records with, from `gtp behaviour calibrate`."""
    d4rl_gain: float
    """Cloning's D4RL score over the mean D4RL score of the medium-v2 data's episodes; 0 is a random policy.

    Cloning: BC in Table 1 of the paper. Data: as published for D4RL's files, which were not at hand.
    """


@dataclass(frozen=True, kw_only=True)
class Robot:
    """What is known of one robot."""

    training: Training
    locomotion: Locomotion | None = None
    """None for a robot that only walks from waypoint to waypoint."""


ROBOTS = {
    "hopper": Robot(
        training=Training(environment="Hopper-v5", steps=6_000_000, horizon=1000, width=64, tiers=True),
        locomotion=Locomotion(noise=0.31, d4rl_gain=52.9 / 44.0),
    ),
    "halfcheetah": Robot(
        training=Training(environment="HalfCheetah-v5", steps=4_000_000, horizon=1000, width=64, tiers=True),
        locomotion=Locomotion(noise=0.53, d4rl_gain=42.6 / 40.7),
    ),
    "walker2d": Robot(
        training=Training(environment="Walker2d-v5", steps=8_000_000, horizon=1000, width=64, tiers=True),
        locomotion=Locomotion(noise=0.83, d4rl_gain=75.3 / 62.0),
    ),
    "ant": Robot(
        training=Training(environment="AntGoals", steps=2_600_000, horizon=500, width=128, tiers=False)
    ),
}
LOCOMOTION = {name: robot.locomotion for name, robot in ROBOTS.items() if robot.locomotion is not None}
RUNNERS = {name: ROBOTS[name] for name in LOCOMOTION}
"""Those that locomotion data are recorded with."""
