"""Diffusion-QL by its authors (Wang et al., 2023); its width and depth are fixed at ours."""

from q_learning import build_agent

LIBRARIES = ("torch",)


def build(settings: dict, data: dict):
    """As `build_agent`."""
    from agents.ql_diffusion import Diffusion_QL

    levels = settings["hyperparameters"]["levels"]
    return build_agent(Diffusion_QL, settings, data, n_timesteps=levels, beta_schedule="vp")
