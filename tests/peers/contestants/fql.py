"""FQL by its authors (Park et al., 2025)."""

LIBRARIES = ("jax", "jaxlib", "flax", "optax")


def build(settings: dict, data: dict):
    """A function that calls their `update` so often, on minibatches of their dataset; how it runs."""
    import jax
    import numpy as np
    from agents.fql import FQLAgent, get_config
    from utils.datasets import Dataset

    dataset = Dataset.create(**data, masks=np.ones_like(data["rewards"]))
    config = get_config()
    hidden = (settings["hidden_size"],) * settings["hidden_layers"]
    config.actor_hidden_dims = config.value_hidden_dims = hidden
    config.flow_steps = settings["hyperparameters"]["flow_steps"]
    config.layer_norm = False  # as our critics by default
    example = dataset.sample(1)
    agent = FQLAgent.create(0, example["observations"], example["actions"], config)

    def train(updates: int) -> None:
        nonlocal agent
        for _ in range(updates):
            agent, _ = agent.update(dataset.sample(settings["batch_size"]))
        jax.block_until_ready(agent.network.params)

    return train, "jitted"
