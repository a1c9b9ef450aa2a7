"""Generative Trajectory Policies for offline reinforcement learning: the package behind the artifact."""

from gtp.policy import Policy, load_policy

__all__ = ["Policy", "__version__", "load_policy"]
__version__ = "0.1.0"
