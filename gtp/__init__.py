"""Generative Trajectory Policies for offline reinforcement learning: the package behind the artifact."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gtp.policy import Policy, load_policy

__all__ = ["Policy", "__version__", "load_policy"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Policies once they are asked for: they need torch, which takes seconds to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("gtp.policy"), name)
