"""From episodes to what a table says: scores of seeds, means with intervals, differences, aggregates.

The unit of replication is the training seed: episodes of one policy share its training, so they are averaged
first and n counts seeds. Intervals of means are Student's t over seeds, because with three to five seeds a
normal or a bootstrap interval is far too narrow (tests/unit/test_statistics.py measures both). Shares of
episodes have Wilson's interval, which stays within [0, 100].
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from gtp.config import DIVERGED_SCORE
from gtp.errors import UserError
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_results

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean (or another centre) of n seeds with its 95 % interval; low and high are NaN when n is 1."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2.0

    @property
    def whiskers(self) -> tuple[float, float]:
        """How far the interval reaches below the mean and above it, as error bars are told."""
        return self.mean - self.low, self.high - self.mean

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval; False for an interval that is unknown."""
        return self.low > 0.0 or self.high < 0.0


def combine_means(
    samples: Sequence[ArrayLike],
    coefficients: Sequence[float],
    confidence: float = CONFIDENCE,
    if_alike: Sequence[float] | None = None,
) -> Estimate:
    """Estimate sum_i c_i E[X_i] from independent samples of possibly different variances.

    Shapes: samples[i] (n_i,), n_i >= 1. With one sample this is Student's t interval, with coefficients
    (1, -1) it is Welch's. The reported n is the smallest n_i; the interval is NaN when that is 1.
    `if_alike`[i] is the variance of the mean of samples[i] that counts when its values are all the same.
    Source: Welch (1947); degrees of freedom by Satterthwaite (1946).
    """
    values = [np.asarray(sample, dtype=np.float64) for sample in samples]
    mean = float(sum(c * x.mean() for c, x in zip(coefficients, values, strict=True)))
    n = min(len(x) for x in values)
    if n < 2:
        return Estimate(mean, np.nan, np.nan, n)
    of_means = [x.var(ddof=1) / len(x) for x in values]
    if if_alike is not None:
        of_means = [own if own > 0.0 else other for own, other in zip(of_means, if_alike, strict=True)]
    variances = np.array([c**2 * v for c, v in zip(coefficients, of_means, strict=True)])
    if variances.sum() == 0.0:  # all seeds agree: the degrees of freedom would be 0/0
        return Estimate(mean, mean, mean, n)
    freedom = variances.sum() ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(variances, values, strict=True))
    half_width = float(stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(variances.sum()))
    return Estimate(mean, mean - half_width, mean + half_width, n)


def mean_estimate(values: ArrayLike) -> Estimate:
    """Mean over seeds with Student's t interval. Shapes: values (n,)."""
    return combine_means([values], [1.0])


def difference_estimate(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Mean of `first` minus mean of `second` with Welch's interval. Shapes: (n,), (m,)."""
    return combine_means([first, second], [1.0, -1.0])


def average_estimate(samples: Sequence[ArrayLike]) -> Estimate:
    """Mean over tasks of the mean over seeds; samples[i] (n_i,) are the seeds' scores on task i."""
    return combine_means(samples, [1.0 / len(samples)] * len(samples))


def average_difference(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    episodes: Sequence[int | None] | None = None,
) -> Estimate:
    """Difference of two methods' averages over the same tasks; each a list of (n_i,) seeds' scores.

    `episodes` as in `paired_difference`: seeds that agree on a share of episodes are no proof of no variance.
    A variance more may mean more degrees of freedom, so the wider of the intervals with and without counts.
    """
    weight, counts = 1.0 / len(first), list(episodes or [None] * len(first))
    if_alike = [
        _variance_of_share(scores, count) if count else 0.0
        for scores, count in zip([*first, *second], counts * 2, strict=True)
    ]
    coefficients = [weight] * len(first) + [-weight] * len(second)
    both = [combine_means([*first, *second], coefficients, if_alike=known) for known in (None, if_alike)]
    value = max(both, key=lambda estimate: estimate.half_width)
    return _within_shares(value) if all(counts) else value


def tied_for_best(samples: Sequence[Sequence[ArrayLike]]) -> list[bool]:
    """Which methods the data do not tell from the one with the highest average.

    samples[m][i] (n_i,) are the scores of method m's seeds on task i. A method is marked when Welch's
    interval of the difference of its average to the highest one holds 0. With one seed that interval is
    unknown and nothing is marked, nor is a method that has none beside it.
    """
    if len(samples) < 2:
        return [False] * len(samples)
    best = max(samples, key=lambda tasks: average_estimate(tasks).mean)
    differences = [average_difference(tasks, best) for tasks in samples]
    return [difference.low <= 0.0 <= difference.high for difference in differences]


def paired_difference(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    confidence: float = CONFIDENCE,
    episodes: Sequence[int | None] | None = None,
) -> Estimate:
    """Average over tasks of first minus second, paired by task and seed; each a list of (n_i,) seeds' scores.

    `episodes`[i] says that scores on task i are shares of that many episodes a seed, in percent. Where all
    pairs of such a task differ by the same, the variance of the shares takes the place of that of the pairs,
    which would be none (shares shrunk as Agresti and Caffo, 2000, do). When all tasks are shares the interval
    stays within [-100, 100]. With differences alike on all tasks and no shares its width is 0.
    """
    counts = list(episodes or [None] * len(first))
    pairs = [np.asarray(a, dtype=np.float64) - np.asarray(b) for a, b in zip(first, second, strict=True)]
    if_alike = [
        sum(_variance_of_share(scores, count) for scores in both) if count else 0.0
        for *both, count in zip(first, second, counts, strict=True)
    ]
    value = combine_means(pairs, [1.0 / len(pairs)] * len(pairs), confidence, if_alike)
    return _within_shares(value) if all(counts) else value


def _within_shares(value: Estimate) -> Estimate:
    """A difference of shares in percent, its interval cut to [-100, 100]."""
    low, high = np.clip([value.low, value.high], -100.0, 100.0).tolist()
    return Estimate(value.mean, low, high, value.n)


def _variance_of_share(scores: ArrayLike, episodes: int) -> float:
    """Binomial variance of the mean of seeds' shares in percent, of so many episodes each; never 0."""
    trials = np.size(scores) * episodes
    share = (np.mean(scores) / 100.0 * trials + 1.0) / (trials + 2.0)  # type: ignore[arg-type]
    return float(1e4 * share * (1.0 - share) / trials)


def share_estimate(scores: ArrayLike, episodes: int, confidence: float = CONFIDENCE) -> Estimate:
    """Mean over seeds of shares of episodes in percent, with an interval within [0, 100] that is never empty.

    Shapes: scores (n,), each of `episodes` episodes. Wilson's interval, in which seeds that differ by more
    than chance count as fewer episodes, and Student's quantile stands for the normal one. The interval is
    NaN with one seed. Source: Wilson (1927); Korn and Graubard (1998) for shares in clusters.
    """
    values = np.asarray(scores, dtype=np.float64) / 100.0
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Estimate(100.0 * mean, np.nan, np.nan, n)
    binomial = mean * (1.0 - mean) / episodes
    effect = max(1.0, values.var(ddof=1) / binomial) if binomial > 0.0 else 1.0
    trials = n * episodes / effect
    z = float(stats.t.ppf(0.5 + confidence / 2, n - 1))
    centre = (mean + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(mean * (1 - mean) / trials + z**2 / (4 * trials**2))
    low, high = min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))  # but for rounding
    return Estimate(100.0 * mean, 100.0 * float(low), 100.0 * float(high), n)


def interquartile_mean(scores: ArrayLike, repetitions: int = 2_000, seed: int = 0) -> Estimate:
    """Interquartile mean over all runs of all tasks, with a percentile bootstrap stratified by task.

    Shapes: scores (n seeds, tasks). With few seeds this interval is too narrow; it is here because it is
    the customary aggregate. An interval without width is none (NaN). Source: Agarwal et al., 2021.
    """
    matrix = np.asarray(scores, dtype=np.float64)

    def statistic(*tasks: np.ndarray, axis: int) -> np.ndarray:
        runs = np.stack(tasks, axis=-1)  # (..., n, tasks)
        return stats.trim_mean(runs.reshape(*runs.shape[:-2], -1), 0.25, axis=-1)

    point, low, high = map(float, _bootstrap(matrix.T, statistic, repetitions, seed))
    return _unless_degenerate(point, low, high, len(matrix))


def _unless_degenerate(point: float, low: float, high: float, n: int) -> Estimate:
    """An estimate with its bootstrap interval; without it where all draws agree."""
    return Estimate(point, low, high, n) if low < high else Estimate(point, np.nan, np.nan, n)


def probability_of_improvement(
    first: ArrayLike, second: ArrayLike, repetitions: int = 2_000, seed: int = 0
) -> Estimate:
    """Chance that a run of the first method scores above one of the second, averaged over tasks.

    Shapes: first (n seeds, tasks), second (m seeds, tasks). A tie counts one half; the reported n is the
    smaller one. The interval is a percentile bootstrap in which both methods' seeds are drawn anew on each
    task, too narrow with few seeds as all of its kind; one without width is none (NaN). Source: Agarwal et
    al., 2021.
    """
    x, y = (np.asarray(scores, dtype=np.float64) for scores in (first, second))

    def statistic(*tasks: np.ndarray, axis: int) -> np.ndarray:
        one, other = (np.stack(part, axis=-1) for part in (tasks[: x.shape[1]], tasks[x.shape[1] :]))
        one, other = one[..., :, None, :], other[..., None, :, :]  # (..., n, m, tasks) together
        return ((one > other) + 0.5 * (one == other)).mean(axis=(-3, -2, -1))

    point, low, high = _bootstrap([*x.T, *y.T], statistic, repetitions, seed)
    return _unless_degenerate(float(point), float(low), float(high), min(len(x), len(y)))


def performance_profile(
    scores: ArrayLike, thresholds: ArrayLike, repetitions: int = 2_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of all runs that score above each threshold, and the limits of its bootstrap interval.

    Shapes: scores (n seeds, tasks), thresholds (T,) -> three of (T,); the limits are NaN when n is 1. The
    bootstrap is stratified by task and pointwise. Source: Agarwal et al., 2021.
    """
    matrix, limits = np.asarray(scores, dtype=np.float64), np.asarray(thresholds, dtype=np.float64)
    above = (matrix.T[:, None, :] > limits[:, None]).astype(np.float64)  # (tasks, T, n)

    def statistic(*tasks: np.ndarray, axis: int) -> np.ndarray:
        return np.mean([task.mean(axis=axis) for task in tasks], axis=0)

    return _bootstrap(above, statistic, repetitions, seed)


def _bootstrap(
    samples: Sequence[np.ndarray] | np.ndarray,
    statistic: Callable[..., np.ndarray],
    repetitions: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A statistic of samples (..., n_i), and the limits of its interval (...); NaN where an n_i is 1.

    The interval is a percentile bootstrap that draws anew within each sample, alike for all of its rows.
    """
    point = np.asarray(statistic(*samples, axis=-1))
    if min(sample.shape[-1] for sample in samples) < 2:
        return point, np.full_like(point, np.nan), np.full_like(point, np.nan)
    interval = stats.bootstrap(
        list(samples),
        statistic,
        n_resamples=repetitions,
        batch=100,  # drawn at once, to bound the memory
        vectorized=True,
        axis=-1,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return point, interval.low, interval.high


@dataclass(frozen=True)
class SeedScores:
    """Scores of a study by seed; see `seed_scores`."""

    table: pd.DataFrame
    """Columns task, method, nfe, acting, step, seed, score (normalised), episodes, diverged."""
    file: str
    """Where they come from, for messages."""
    rules: Mapping[str, str]
    """Method -> the acting rule that is meant where none is named: its first."""

    def diverged(self, task: str, method: str) -> int:
        """How many seeds of one method diverged on one task."""
        rows = self._rows(task, method)
        return int(rows.loc[rows["diverged"], "seed"].nunique())

    def of(self, task: str, method: str, nfe: int, acting: str | None = None) -> np.ndarray:
        """Scores of the seeds, (n,), of one method on one task by an acting rule, its first by default.

        Raises UserError when there are none.
        """
        rows, rule = self._rows(task, method), acting or self.rules[method]
        rows = rows[(rows["nfe"] == nfe) & (rows["acting"] == rule)]
        if rows.empty:
            raise UserError(
                f"{self.file} has no rows for {method} on {task} at nfe {nfe}, acting {rule}; {REMEDY}"
            )
        return rows["score"].to_numpy()

    def matrix(
        self, tasks: Iterable[TaskRecord], method: MethodRecord, nfe: int, acting: str | None = None
    ) -> np.ndarray:
        """Scores (n seeds, tasks) of one method. Raises UserError when a task has none."""
        return np.column_stack([self.of(task.name, method.name, nfe, acting) for task in tasks])

    def estimate(
        self, tasks: Sequence[TaskRecord], method: str, nfe: int, acting: str | None = None
    ) -> Estimate:
        """Average over tasks with an interval over seeds: Wilson's if all are shares of episodes, else t's.

        Several shares count as one of all episodes. Raises UserError when a task has no scores.
        """
        samples = [self.of(task.name, method, nfe, acting) for task in tasks]
        counts = self.episodes_of(tasks)
        if all(counts):
            return share_estimate(np.mean(samples, axis=0), sum(filter(None, counts)))
        return average_estimate(samples)

    def episodes_of(self, tasks: Iterable[TaskRecord]) -> list[int | None]:
        """Episodes behind each seed's score on each task where that is a share of them, else None."""
        return [(self.episodes_each or 1) if task.is_goal_reaching else None for task in tasks]

    def curve(self, task: TaskRecord, method: str) -> dict[int, Estimate]:
        """Step -> score by the method's first rule, with an interval as `estimate`.

        Raises UserError when there are none.
        """
        (episodes,) = self.episodes_of([task])
        return {
            int(step): share_estimate(scores, episodes) if episodes else mean_estimate(scores)
            for step, scores in self.seed_curves(task.name, method).iterrows()
        }

    def seed_curves(self, task: str, method: str) -> pd.DataFrame:
        """Score of each seed (columns) at each step (rows) by the method's first rule.

        Raises UserError when there are none.
        """
        rows, rule = self._rows(task, method), self.rules[method]
        rows = rows[rows["acting"] == rule]
        if rows.empty:
            raise UserError(f"{self.file} has no rows for {method} on {task}, acting {rule}; {REMEDY}")
        return rows.pivot(index="step", columns="seed", values="score")

    @property
    def episodes_each(self) -> int:
        """Episodes behind each seed's score, the same for all; 0 when every seed diverged."""
        counts = self.table.loc[~self.table["diverged"], "episodes"]
        return 0 if counts.empty else int(counts.iloc[0])

    def episodes(self) -> str:
        """How many episodes are behind each seed's score, in words; the number is the same for all."""
        return f"{self.episodes_each or 'no'}"

    def divergence_notice(self, study: StudyRecord) -> str:
        """One sentence on the seeds that diverged, empty when none did."""
        cells = [
            f"{method.label} on {task.label} ({count} of {len(study.seeds)})"
            for task in study.tasks
            for method in study.methods
            if (count := self.diverged(task.name, method.name))
        ]
        return f"Seeds that diverged count as {DIVERGED_SCORE:g}: {', '.join(cells)}." if cells else ""

    def _rows(self, task: str, method: str) -> pd.DataFrame:
        rows = self.table[(self.table["task"] == task) & (self.table["method"] == method)]
        if rows.empty:
            raise UserError(f"{self.file} has no rows for {method} on {task}; {REMEDY}")
        return rows


def seed_scores(episodes: pd.DataFrame, study: StudyRecord, file: str) -> SeedScores:
    """Mean normalised score of every seed's episodes; `episodes` are the rows of scores.csv or curves.csv.

    A diverged seed (status diverged@<step>) counts as DIVERGED_SCORE and is marked. Rows of methods or tasks
    that the study does not list are left out.
    Raises: UserError naming `file` when an episode stands there twice or has no score, or when a seed of the
    study or some of its episodes are missing: averages over less than is claimed are not made.
    """
    keys = ["task", "method", "nfe", "acting", *(["step"] if "step" in episodes else []), "seed"]
    rows = episodes[
        episodes["task"].isin([task.name for task in study.tasks])
        & episodes["method"].isin([method.name for method in study.methods])
    ].copy()
    rows["diverged"] = rows["status"].str.startswith("diverged")
    for wrong, problem in (
        (rows.duplicated([*keys, "episode"]), "holds this row twice"),
        (rows["normalized_score"].isna() & ~rows["diverged"], "has no normalized_score"),
    ):
        if wrong.any():
            raise UserError(f"{file} {problem}: {_name(rows[wrong].iloc[0], keys)}; {REMEDY}")
    rows["score"] = rows["normalized_score"].where(~rows["diverged"], DIVERGED_SCORE)
    table = rows.groupby(keys, as_index=False).agg(
        score=("score", "mean"), episodes=("score", "size"), diverged=("diverged", "any")
    )
    sound = table[~table["diverged"]]
    if sound["episodes"].nunique() > 1:
        fewest = sound.loc[sound["episodes"].idxmin()]
        some = f"{fewest['episodes']} of {sound['episodes'].max()} episodes"
        raise UserError(f"{file} has {some}: {_name(fewest, keys)}; {REMEDY}")
    if "step" not in table:
        table["step"] = study.steps
    expected = set(study.seeds)
    for cell, group in table.groupby(keys[:-1]):
        if missing := expected ^ set(group["seed"]):
            problem = "lacks" if min(missing) in expected else "has, against study.json,"
            where = _name(pd.Series([*cell, min(missing)], keys), keys)
            raise UserError(f"{file} {problem} a seed: {where}; {REMEDY}")
    return SeedScores(table, file, {method.name: method.acting[0] for method in study.methods})


def read_seed_scores(file: str, kind: str, study: StudyRecord) -> SeedScores:
    """The seeds' scores from a CSV of the kind scores or curves. Raises UserError as its two steps do."""
    return seed_scores(read_results(file, kind), study, file)


def _name(row: pd.Series, keys: list[str]) -> str:
    """A row in an error message, such as: task maze, method gtp, nfe 5, seed 0."""
    return ", ".join(f"{key} {row[key] if isinstance(row[key], str) else f'{row[key]:g}'}" for key in keys)
