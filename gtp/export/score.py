"""The score on a policy's card, from the episodes that `gtp evaluate` wrote."""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from gtp.acting import ActingRule
from gtp.config import DIVERGED_SCORE
from gtp.errors import UserError
from gtp.export.card import Score
from gtp.policy import Policy
from gtp.report.statistics import mean_estimate, share_estimate

COLUMNS = ("seed", "step", "nfe", "acting", "episode", "normalized_score", "status")
REMEDY = "give the CSV that gtp evaluate wrote of this policy"


def read_score(path: Path, policy: Policy, rule: ActingRule, nfe: int) -> Score:
    """The score of a policy's run, its step, K and rule: as tables count it, with their intervals.

    Raises: UserError, one line, when the file is no table of episodes of `gtp evaluate`, has other seeds than
    the policy's file, or no episodes of this way to act.
    """
    scores: dict[int, dict[int, float]] = defaultdict(dict)
    diverged = set()
    for row in read_rows(path):
        try:
            way = (int(row["step"]), int(row["nfe"]), row["acting"])
            seed, status = int(row["seed"]), row["status"]
            if way != (policy.step, nfe, rule.name):
                continue
            if status != "ok":
                diverged.add(seed)
            elif (episode := int(row["episode"])) in scores[seed]:
                raise ValueError(f"episode {episode} of seed {seed} stands there twice")
            else:
                scores[seed][episode] = float(row["normalized_score"])
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} has a row that is wrong ({error}); {REMEDY}") from error
    seeds = sorted({*scores, *diverged})
    if not seeds:
        raise UserError(f"{path} has no episodes of step {policy.step}, K = {nfe}, {rule.name}; {REMEDY}")
    if seeds != sorted(policy.seeds):
        raise UserError(f"{path} has the seeds {seeds} and the policy {sorted(policy.seeds)}; {REMEDY}")
    counts = {len(values) for values in scores.values()}
    if len(counts) > 1 or diverged & {*scores}:
        raise UserError(f"{path} has {sorted(counts)} episodes of its seeds, not as many of each; {REMEDY}")
    means = [DIVERGED_SCORE if seed in diverged else fmean(scores[seed].values()) for seed in seeds]
    episodes = max(counts, default=0)
    is_share = policy.task.is_goal_reaching
    value = share_estimate(means, max(episodes, 1)) if is_share else mean_estimate(means)
    known = value.n > 1
    kind = f"95 % {'Wilson' if is_share else 'Student t'} over {value.n} seeds"
    return Score(
        mean=value.mean,
        low=value.low if known else None,
        high=value.high if known else None,
        interval=kind if known else "one seed, so without an interval",
        seeds=tuple(seeds),
        diverged=tuple(sorted(diverged)),
        episodes=episodes,
        of_this_seed=means[seeds.index(policy.seed)],
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table of episodes. Raises UserError when it cannot be read or lacks a column."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}); {REMEDY}") from error
    if missing := [name for name in COLUMNS if name not in columns]:
        raise UserError(f"{path} lacks the column '{missing[0]}'; {REMEDY}")
    return rows
