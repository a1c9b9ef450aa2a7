"""What Diffusion-QL and the code made from it have in common: an agent whose `train` draws from a sampler."""


def build_agent(kind: type, settings: dict, data: dict, **own):
    """A function that makes so many updates by the agent's `train`, from their sampler; how it runs.

    `own` are arguments that one kind of agent alone takes.
    """
    import torch
    from utils.data_sampler import Data_Sampler

    torch.set_num_threads(settings["threads"])
    agent = kind(
        state_dim=settings["observations"],
        action_dim=settings["actions"],
        max_action=1.0,
        device="cpu",
        discount=0.99,
        tau=0.005,
        eta=1.0,
        step_start_ema=0,  # later training, of which the average of the actor is a part
        grad_norm=10.0,
        **own,
    )
    sampler = Data_Sampler(data, "cpu")

    def train(updates: int) -> None:
        agent.train(sampler, iterations=updates, batch_size=settings["batch_size"])

    return train, "eager"
