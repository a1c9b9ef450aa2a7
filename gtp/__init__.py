"""Generative Trajectory Policies for offline reinforcement learning: the package behind the artifact."""

from gtp.policy import Policy, load_policy

__all__ = ["Policy", "load_policy"]
