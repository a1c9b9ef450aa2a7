"""The verbs that train in an environment: `gtp online mbdpo` and `gtp online sac`.

Simulators are imported by the verbs, so that every other verb works without.
"""

from pathlib import Path
from typing import Annotated

import tyro

from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution
from gtp.errors import UserError, told_to_the_user
from gtp.online.settings import ModelBasedConfig, OnlineConfig
from gtp.training.loop import DEFAULT_EXECUTION, use_threads


def mbdpo(
    algorithm: Annotated[MBDPO, tyro.conf.arg(name="")],
    config: Annotated[ModelBasedConfig, tyro.conf.arg(name="")],
    output: Path,
    seed: int = 0,
    start: Path | None = None,
    data: Path | None = None,
    checkpoints: Path = Path("checkpoints"),
    label: str = "",
    execution: Execution = DEFAULT_EXECUTION,
    overwrite: bool = False,
) -> None:
    """Train MBDPO in an environment; resumes a run that was cut off. With --eta 0 the search is MPPI's.

    Args:
        algorithm: The method's hyperparameters.
        config: The environment and the budget.
        output: Folder for policy-<steps>.safetensors, online.csv, training.csv and run.json.
        seed: Of everything that is random.
        start: Policy file of mbdpo to go on from: no random actions first, its size, discount and scaling.
        data: Transitions that stay in the replay.
        checkpoints: Folder for the state of unfinished runs.
        label: Name of the run in messages and files; the method's by default.
        execution: Where and how fast; not meant to change what is learned.
        overwrite: Whether to replace a run that the folder holds.
    """
    from gtp.online.loop import train_online

    train_online(
        algorithm,
        config,
        seed,
        output=output,
        checkpoints=checkpoints,
        execution=execution,
        start=start,
        data=data,
        label=label,
        overwrite=overwrite,
    )


def sac(
    config: Annotated[OnlineConfig, tyro.conf.arg(name="")],
    output: Path,
    seed: int = 0,
    label: str = "sac",
    threads: int = 1,
    overwrite: bool = False,
) -> None:
    """Train Stable-Baselines3's SAC with its defaults in an environment; begins anew when it was cut off.

    Args:
        config: The environment and the budget.
        output: Folder for online.csv and run.json.
        seed: Of everything that is random.
        label: Name of the run in messages and files.
        threads: CPU threads of this process.
        overwrite: Whether to replace a run that the folder holds.
    """
    try:
        from gtp.online.sac import train_sac
    except ImportError as error:
        raise UserError(f"{error.name} is missing; pip install 'gtp[behaviour]'") from error

    with told_to_the_user():
        use_threads(threads)
    train_sac(config, seed, output=output, label=label, overwrite=overwrite)


VERBS = {"mbdpo": mbdpo, "sac": sac}
