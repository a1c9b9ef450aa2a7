"""Consistency-AC by its authors (Ding and Jin, 2024); its width and depth are fixed at ours."""

from q_learning import build_agent

LIBRARIES = ("torch",)


def build(settings: dict, data: dict):
    """As `build_agent`."""
    from agents.ql_consistency import Consistency_QL

    levels = settings["hyperparameters"]["target_nfe"]
    return build_agent(Consistency_QL, settings, data, n_timesteps=levels)
