"""Diffusion-QL by its authors (Wang et al., 2023); its width and depth are fixed at ours."""

LIBRARIES = ("torch",)


def build(settings: dict, data: dict):
    """A function that makes so many updates by their `train`, from their sampler; how it runs."""
    import torch
    from agents.ql_diffusion import Diffusion_QL
    from utils.data_sampler import Data_Sampler

    torch.set_num_threads(settings["threads"])
    agent = Diffusion_QL(
        state_dim=settings["observations"],
        action_dim=settings["actions"],
        max_action=1.0,
        device="cpu",
        discount=0.99,
        tau=0.005,
        eta=1.0,
        beta_schedule="vp",
        n_timesteps=settings["hyperparameters"]["levels"],
        step_start_ema=0,  # later training, of which the average of the actor is a part
        grad_norm=10.0,
    )
    sampler = Data_Sampler(data, "cpu")

    def train(updates: int) -> None:
        agent.train(sampler, iterations=updates, batch_size=settings["batch_size"])

    return train, "eager"
