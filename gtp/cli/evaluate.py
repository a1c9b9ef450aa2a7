"""The verbs that read trained policies: `gtp evaluate`, `cost`, `trajectories`, `support` and `inspect`.

What needs torch or a simulator is imported by the verbs, so that their help does not wait for it.
"""

from pathlib import Path
from typing import Any

import tyro

from gtp.errors import UserError, told_to_the_user
from gtp.files import require_files
from gtp.schema import EndPoint, Point, Support, write_rows


def evaluate(
    policy: tuple[Path, ...],
    output: Path,
    nfe: tuple[int, ...] = (1, 2, 5),
    acting: tuple[str, ...] = ("sample",),
    episodes: int = 20,
    rollouts: Path | None = None,
    rollout_episodes: int = 5,
    rollout_nfe: int | None = None,
    environment: str | None = None,
    threads: int = 1,
) -> None:
    """Roll out every seed of policy files in the task's environment: a row per episode, and mean scores.

    Args:
        policy: Policy files of one run.
        output: CSV of episodes.
        nfe: Numbers of function evaluations K per action.
        acting: What is done with samples: sample, noise_0.5, mean_of_16, best_of_16, best_of_50_at_1.
        episodes: Episodes per seed, K and rule.
        rollouts: CSV of positions along some episodes; mazes only.
        rollout_episodes: Episodes per seed to record there.
        rollout_nfe: Their K; the largest by default.
        environment: Id of the policy's environment; needed where it has a module, some.module:Env-v0, which
            is imported because you say so and never because a file does.
        threads: CPU threads of this process.
    """
    from gtp.evaluation import rollouts as evaluation
    from gtp.evaluation.summary import summary
    from gtp.policy import load_policy
    from gtp.training.loop import use_threads

    with told_to_the_user():
        use_threads(threads)
    require_files(output, rollouts)
    drawn: dict[str, Any] = {
        "rollout_episodes": rollout_episodes if rollouts else 0,
        "rollout_nfe": rollout_nfe,
    }
    first = load_policy(policy[0], environment=environment)
    with told_to_the_user():
        evaluation.settle(first, list(nfe), episodes, acting, **drawn)
    rows, positions = evaluation.evaluate(
        list(policy), list(nfe), episodes, acting, **drawn, environment=environment
    )
    write_rows(output, evaluation.Episode, rows)
    if rollouts:
        write_rows(rollouts, evaluation.Position, positions)
    print("\n".join(summary(rows)))


def cost(
    policy: tuple[Path, ...],
    run: tuple[Path, ...],
    output: tuple[Path, ...],
    nfe: tuple[int, ...] = (1, 2, 5),
    acting: tuple[str, ...] = ("sample",),
    batch_sizes: tuple[int, ...] = (1, 64),
    environment: str | None = None,
    threads: int = 1,
) -> None:
    """Measure parameters, training rate, memory and seconds per action of trained policies of a task.

    Several are timed in turn, so that what else the machine does disturbs all alike.

    Args:
        policy: Policy files.
        run: The run.json beside each.
        output: CSV of figures for each.
        nfe: Numbers of function evaluations K per action.
        acting: Rules as of `gtp evaluate`.
        batch_sizes: Observations per call.
        environment: As of `gtp evaluate`.
        threads: CPU threads of this process.
    """
    from gtp.evaluation.cost import measure, ways_to_act, write_cost
    from gtp.policy import load_policy
    from gtp.training.loop import use_threads

    if not len(policy) == len(run) == len(output):
        raise UserError(
            "name one run and one output for each policy;"
            f" got {len(policy)}, {len(run)} and {len(output)} files of --policy, --run and --output"
        )
    require_files(*output)
    with told_to_the_user():
        use_threads(threads)
        for file in policy:
            trained = load_policy(file, environment=environment)
            ways_to_act(trained, list(nfe), list(batch_sizes), acting)
    subjects = list(zip(policy, run, strict=True))
    costs = measure(subjects, list(nfe), list(batch_sizes), acting, environment)
    for path, rows in zip(output, costs, strict=True):
        write_cost(path, rows)


def draw_trajectories(
    policy: Path,
    data: Path,
    output: Path,
    samples: int = 64,
    nfe: int = 16,
    endpoints_output: Path | None = None,
    endpoints_samples: int = 512,
    endpoints_nfe: tuple[int, ...] = (1, 5),
    environment: str | None = None,
) -> None:
    """Write the paths from noise to actions that a policy has learned in one state, and where they end.

    Args:
        policy: A policy file of a GTP method with two action dimensions.
        data: The transitions it was trained on.
        output: CSV of points.
        samples: Noise samples.
        nfe: Jumps per path.
        endpoints_output: CSV of the ends of more paths, and of where the state is; none without it.
        endpoints_samples: Noise samples of that.
        endpoints_nfe: Numbers of function evaluations of that.
        environment: As of `gtp evaluate`.
    """
    from gtp.data.transitions import load_transitions
    from gtp.evaluation.trajectories import check_drawable, endpoints, trajectories
    from gtp.policy import load_policy

    require_files(output, endpoints_output)
    trained, transitions = load_policy(policy, environment=environment), load_transitions(data)
    with told_to_the_user():
        check_drawable(trained, transitions, samples, nfe)
        check_drawable(trained, transitions, endpoints_samples, min(endpoints_nfe))
    write_rows(output, Point, trajectories(trained, transitions, samples, nfe))
    if endpoints_output:
        rows = endpoints(trained, transitions, endpoints_samples, endpoints_nfe)
        write_rows(endpoints_output, EndPoint, rows)


def support(
    policy: Path,
    data: Path,
    output: Path,
    discount: float,
    nfe: int = 5,
    acting: tuple[str, ...] = ("sample",),
    pairs: int = 1000,
    episodes: int = 5,
    environment: str | None = None,
    threads: int = 1,
) -> None:
    """Measure how far every seed's actions are from the data, and Q there beside the returns that follow.

    Args:
        policy: A policy file.
        data: The transitions it was trained on.
        output: CSV, a row for each seed and rule.
        discount: That of training, by which returns are discounted.
        nfe: Number of function evaluations K per action.
        acting: Rules as of `gtp evaluate`.
        pairs: States of the data from which distances are taken.
        episodes: Episodes whose returns are compared with Q, for each seed and rule.
        environment: As of `gtp evaluate`.
        threads: CPU threads of this process.
    """
    from gtp.data.transitions import load_transitions
    from gtp.evaluation.support import measure_support
    from gtp.training.loop import use_threads

    require_files(output)
    transitions = load_transitions(data)
    with told_to_the_user():
        use_threads(threads)
        rows = measure_support(policy, transitions, nfe, acting, pairs, episodes, discount, environment)
    write_rows(output, Support, rows)


def inspect(files: tyro.conf.Positional[tuple[Path, ...]] = (), policy: tuple[Path, ...] = ()) -> None:
    """Print what policy files say about themselves: `gtp inspect FILE`.

    Args:
        files: Policy files.
        policy: The same, as a flag.
    """
    from gtp.policy import describe

    if not (*files, *policy):
        raise UserError("no file is named; say which: gtp inspect FILE")
    for path in (*files, *policy):
        print(describe(path))


VERBS = {
    "evaluate": evaluate,
    "cost": cost,
    "trajectories": draw_trajectories,
    "support": support,
    "inspect": inspect,
}
