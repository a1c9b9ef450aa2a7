"""IQL by its authors (Kostrikov et al., 2022), written for the JAX and Flax of 2022."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

LIBRARIES = ("jax", "jaxlib", "flax", "optax")


def build(settings: dict, data: dict):
    """A function that calls their `update` so often, on minibatches of their dataset; how it runs."""
    import jax
    import numpy as np

    stand_in()
    from dataset_utils import Dataset
    from learner import Learner

    dataset = Dataset(
        observations=data["observations"],
        actions=data["actions"],
        rewards=data["rewards"],
        masks=np.ones_like(data["rewards"]),
        dones_float=data["terminals"],
        next_observations=data["next_observations"],
        size=settings["rows"],
    )
    hidden = (settings["hidden_size"],) * settings["hidden_layers"]
    example = dataset.sample(1)
    agent = Learner(0, example.observations, example.actions, hidden_dims=hidden, max_steps=1_000_000)

    def train(updates: int) -> None:
        for _ in range(updates):
            agent.update(dataset.sample(settings["batch_size"]))
        jax.block_until_ready((agent.actor.params, agent.target_critic.params))

    return train, "jitted"


def stand_in() -> None:
    """Names that JAX and Flax have no more, and simulators that only other parts of their code call."""
    import flax
    import jax

    if not hasattr(jax, "tree_multimap"):
        jax.tree_multimap = jax.tree_util.tree_map
    flax.config.update("flax_return_frozendict", True)
    gym = ModuleType("gym")
    gym.Env, gym.spaces = object, SimpleNamespace(Box=object)
    sys.modules.update(gym=gym, d4rl=ModuleType("d4rl"))
    for module in ("tensorflow_probability.substrates.jax", "common"):  # all that it imports
        importlib.import_module(module)
    jit, jax.jit = jax.jit, lambda function, static_argnames: function
    importlib.import_module("policy")  # names an argument that there is not, of a function that only acts
    jax.jit = jit
