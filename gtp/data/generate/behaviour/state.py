"""The state of an unfinished training run of behaviour policies: tensors and a JSON header, nothing to run.

Stable-Baselines3's own files are pickles, which run what is in them when they are read.
"""

from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO
from torch import Tensor

from gtp.errors import UserError
from gtp.files import read_tensors, write_tensors

FORMAT = "gtp-behaviour-state"
STATISTICS = ("obs_rms", "ret_rms")
"""VecNormalize's running means and variances, of observations and of returns."""


def save_state(model: PPO, robot: str, path: Path) -> None:
    """Write what a run resumes from: parameters, Adam's moments, running statistics, and the counts."""
    header = {"format": FORMAT, "robot": robot, "steps": model.num_timesteps, "updates": model._n_updates}
    write_tensors(path, state_tensors(model), header)


def state_tensors(model: PPO) -> dict[str, Tensor]:
    """The tensors of a state, by name; they are the model's own."""
    tensors = {f"policy/{name}": value for name, value in model.policy.state_dict().items()}
    for index, moments in model.policy.optimizer.state_dict()["state"].items():
        tensors |= {f"adam/{index}/{name}": value for name, value in moments.items()}
    for name in STATISTICS:
        running = getattr(model.get_vec_normalize_env(), name)
        for part in ("mean", "var", "count"):
            tensors[f"{name}/{part}"] = torch.as_tensor(np.asarray(getattr(running, part), np.float64))
    return tensors


def load_state(model: PPO, robot: str, path: Path) -> None:
    """Take a state over into a new model of the same run.

    Raises: UserError when the file is damaged, or of another robot or other networks.
    """
    remedy = f"delete it to begin anew: rm {path}"
    tensors, header = read_tensors(path, FORMAT, remedy)
    steps, updates = header.get("steps"), header.get("updates")
    if header.get("robot") != robot or not all(
        type(count) is int and count > 0 for count in (steps, updates)
    ):
        raise UserError(f"{path} is not the state of a training run of the {robot}; {remedy}")
    parameters = list(model.policy.parameters())
    expected = {f"policy/{name}": value.shape for name, value in model.policy.state_dict().items()}
    for index, parameter in enumerate(parameters):
        expected |= {f"adam/{index}/{name}": parameter.shape for name in ("exp_avg", "exp_avg_sq")}
        expected[f"adam/{index}/step"] = torch.Size()
    for name in STATISTICS:
        shape = np.shape(getattr(model.get_vec_normalize_env(), name).mean)
        expected |= {f"{name}/mean": shape, f"{name}/var": shape, f"{name}/count": torch.Size()}
    if {name: value.shape for name, value in tensors.items()} != expected:
        raise UserError(f"{path} does not fit the networks of the {robot}; {remedy}")
    model.policy.load_state_dict({name: tensors[f"policy/{name}"] for name in model.policy.state_dict()})
    optimizer = model.policy.optimizer
    moments = {
        index: {name: tensors[f"adam/{index}/{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
        for index in range(len(parameters))
    }
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    for name in STATISTICS:
        running = getattr(model.get_vec_normalize_env(), name)
        running.mean, running.var = tensors[f"{name}/mean"].numpy(), tensors[f"{name}/var"].numpy()
        running.count = float(tensors[f"{name}/count"])
    model.num_timesteps, model._n_updates = steps, updates
