"""Statistics against values worked by hand, against scipy, and against their promise: 95 % coverage."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rliable import library, metrics
from scipy import stats

from gtp.errors import UserError
from gtp.report.results import read_results, read_study
from gtp.report.statistics import (
    SeedScores,
    average_difference,
    average_estimate,
    difference_estimate,
    interquartile_mean,
    mean_estimate,
    paired_difference,
    performance_profile,
    probability_of_improvement,
    seed_scores,
    share_estimate,
    tied_for_best,
)

from .results_fixtures import write_study

TASK, METHOD, SEED = "pointmaze-medium", "gtp", 1


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """study.json and scores.csv of two small mazes, two methods, three seeds, four episodes."""
    tasks = {"pointmaze-umaze": "U-Maze", "pointmaze-medium": "Medium"}
    folder = write_study(tmp_path_factory.mktemp("s") / "study", tasks=tasks, methods=2, episodes=4)
    return read_study(folder / "study.json"), read_results(folder / "scores.csv", "scores")


def rows_of(frame, **values):
    """Mask of the rows with these values."""
    return np.logical_and.reduce([frame[column] == value for column, value in values.items()])


# Means and differences


def test_mean_of_three_by_hand():
    # Mean 20, standard deviation 10, t quantile 4.302653 with 2 degrees of freedom: 4.302653 * 10 / sqrt(3).
    estimate = mean_estimate([10.0, 20.0, 30.0])
    assert (estimate.mean, estimate.n) == (20.0, 3)
    assert estimate.half_width == pytest.approx(24.84138, abs=1e-5)
    assert (estimate.low, estimate.high) == pytest.approx((-4.84138, 44.84138), abs=1e-5)


def test_interval_is_not_clipped_to_possible_scores():
    assert mean_estimate([100.0, 100.0, 90.0]).high > 100.0


def test_one_seed_has_a_mean_and_no_interval():
    estimate = mean_estimate([42.0])
    assert estimate.mean == 42.0
    assert np.isnan([estimate.low, estimate.high]).all()
    assert not estimate.excludes_zero


def test_equal_seeds_have_an_interval_of_width_zero():
    estimate = difference_estimate([100.0, 100.0], [70.0, 70.0])
    assert (estimate.low, estimate.mean, estimate.high) == (30.0, 30.0, 30.0)
    assert estimate.excludes_zero


def test_difference_equals_welch_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(5, 1, 3), rng.normal(3, 4, 5)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    estimate = difference_estimate(first, second)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.mean == pytest.approx(first.mean() - second.mean())
    assert estimate.n == 3


@pytest.mark.parametrize(("first", "expected"), [([5.0, 6.0, 7.0], True), ([-1.0, 0.0, 1.0], False)])
def test_interval_says_whether_it_excludes_zero(first, expected):
    assert difference_estimate(first, [0.0, 0.1, -0.1]).excludes_zero is expected
    assert difference_estimate([0.0, 0.1, -0.1], first).excludes_zero is expected


def test_average_over_tasks_by_hand():
    # Variances of the means: 1/3 and 4/3; of their average: (1/3 + 4/3) / 4 = 5/12. Degrees of freedom:
    # (1/12 + 4/12)^2 / ((1/12)^2 / 2 + (4/12)^2 / 2) = 2 * 25 / 17.
    estimate = average_estimate([[9.0, 10.0, 11.0], [18.0, 20.0, 22.0]])
    half_width = stats.t.ppf(0.975, 50 / 17) * np.sqrt(5 / 12)
    assert estimate.mean == pytest.approx(15.0)
    assert estimate.half_width == pytest.approx(half_width)


def test_average_over_tasks_does_not_pair_seeds_of_different_tasks():
    # Seed 0 of one task has nothing to do with seed 0 of another, so their order must not matter.
    one, other = [1.0, 2.0, 6.0], [10.0, 40.0, 20.0]
    assert average_estimate([one, other]) == average_estimate([one, other[::-1]])


def test_average_difference_of_one_task_is_the_difference():
    first, second = [1.0, 2.0, 4.0], [0.0, 5.0, 1.0]
    assert average_difference([first], [second]) == difference_estimate(first, second)


def test_methods_that_the_data_cannot_tell_from_the_best_are_tied():
    best, near, far = [[90.0, 95.0, 99.0]], [[80.0, 95.0, 92.0]], [[10.0, 12.0, 11.0]]
    assert tied_for_best([far, best, near]) == [False, True, True]
    assert tied_for_best([best]) == [False]
    assert tied_for_best([]) == []  # no clone of a study acts by the best of 16


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_student_intervals_cover_95_percent_where_a_bootstrap_does_not(seeds):
    # 4000 studies of `seeds` seeds with a true mean of 0; the standard error of the share is 0.34 points.
    studies = np.random.default_rng(seeds).standard_normal((4000, seeds))
    estimates = [mean_estimate(study) for study in studies]
    covered = np.mean([e.low <= 0.0 <= e.high for e in estimates])
    assert covered == pytest.approx(0.95, abs=0.015)

    draws = np.random.default_rng(1).integers(seeds, size=(400, seeds))
    low, high = np.percentile(studies[:, draws].mean(axis=2), [2.5, 97.5], axis=1)
    assert np.mean((low <= 0.0) & (high >= 0.0)) < 0.88


# Interquartile mean


def test_interquartile_mean_of_a_known_matrix():
    # Of the sixteen values 0 to 15 the middle half is 4 to 11.
    estimate = interquartile_mean(
        np.random.default_rng(0).permutation(np.arange(16.0)).reshape(4, 4), repetitions=50
    )
    assert estimate.mean == 7.5
    assert estimate.low < 7.5 < estimate.high
    assert estimate.n == 4


def test_interquartile_mean_ignores_an_outlier():
    scores = np.full((4, 2), 50.0)
    scores[0, 0] = 1e6
    assert interquartile_mean(scores, repetitions=50).mean == 50.0


def test_bootstrap_resamples_within_tasks():
    # Two tasks far apart whose seeds agree: resampling whole runs or tasks would widen the interval.
    estimate = interquartile_mean(np.array([[0.0, 100.0]] * 3), repetitions=200)
    assert estimate.mean == 50.0
    assert np.isnan([estimate.low, estimate.high]).all()  # no width, which is no interval


def test_bootstrap_repeats_and_leaves_the_global_generator_alone():
    scores = np.random.default_rng(0).uniform(size=(3, 4))
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.uniform(size=3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    first = interquartile_mean(scores, repetitions=200)
    assert np.random.uniform(size=3) == pytest.approx(expected)  # noqa: NPY002
    assert interquartile_mean(scores, repetitions=200) == first
    assert interquartile_mean(scores, repetitions=200, seed=1) != first


def test_interquartile_mean_of_one_seed_has_no_interval():
    estimate = interquartile_mean([[1.0, 2.0, 3.0, 4.0]])
    assert estimate.mean == 2.5
    assert np.isnan(estimate.low)


# Probability of improvement


def test_chance_of_improvement_by_hand():
    # First task: 1 beats 0, 3 beats 0 and 2: 3 of 4 pairs. Second: each 5 ties once and loses once: 1 of 4.
    estimate = probability_of_improvement([[1.0, 5.0], [3.0, 5.0]], [[0.0, 5.0], [2.0, 9.0]])
    assert estimate.mean == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert estimate.low < estimate.mean < estimate.high
    assert estimate.n == 2


def test_chance_of_improvement_counts_ties_from_both_sides():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (3, 5)), rng.integers(0, 4, (4, 5))
    estimate = probability_of_improvement(first, second, repetitions=10)
    opposite = probability_of_improvement(second, first, repetitions=10)
    assert opposite.mean == pytest.approx(1 - estimate.mean)


def test_chance_of_improvement_draws_seeds_within_tasks_and_repeats():
    # On each task one method is always better, so no draw of seeds changes the chance of one half.
    estimate = probability_of_improvement([[0.0, 9.0]] * 3, [[1.0, 8.0]] * 3, repetitions=50)
    assert estimate.mean == 0.5
    assert np.isnan([estimate.low, estimate.high]).all()  # no width, which is no interval
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    again = [probability_of_improvement(first, second, repetitions=100, seed=seed) for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]
    alone = probability_of_improvement([[1.0, 2.0]], [[0.0, 3.0]])
    assert alone.mean == 0.5
    assert np.isnan(alone.low)


# Performance profiles


def test_profile_of_a_known_matrix():
    scores = [[0.0, 50.0], [20.0, 100.0]]
    share, low, high = performance_profile(scores, [-1.0, 0.0, 20.0, 60.0, 100.0], repetitions=200)
    np.testing.assert_allclose(share, [1.0, 0.75, 0.5, 0.25, 0.0])  # strictly above
    # At 0 the second task is always above, the first with none, one or both of the draws.
    assert (low[1], high[1]) == (0.5, 1.0)
    assert (low[0], high[0], low[4], high[4]) == (1.0, 1.0, 0.0, 0.0)
    share, low, _ = performance_profile([[1.0, 3.0]], [2.0])
    assert share == [0.5]
    assert np.isnan(low).all()


# rliable, the library of Agarwal et al., as a second opinion


def rliable_interval(statistic, *matrices):
    """rliable's point and interval of a statistic of matrices (n seeds, tasks); it uses NumPy's generator."""
    np.random.seed(0)  # noqa: NPY002
    points, intervals = library.get_interval_estimates(
        {"method": matrices[0] if len(matrices) == 1 else matrices},
        lambda *drawn: np.array([statistic(*drawn)]),
        reps=4_000,
    )
    return float(points["method"][0]), *map(float, intervals["method"].ravel())


@pytest.mark.parametrize(("seeds", "tasks"), [(3, 4), (5, 9)])
def test_interquartile_mean_and_its_interval_are_those_of_rliable(seeds, tasks):
    scores = np.random.default_rng(seeds).uniform(0, 100, (seeds, tasks))
    point, low, high = rliable_interval(metrics.aggregate_iqm, scores)
    estimate = interquartile_mean(scores, repetitions=4_000)
    assert estimate.mean == pytest.approx(point)
    # Each limit is known to a few hundredths of the width from 4000 draws.
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_chance_of_improvement_and_its_interval_are_those_of_rliable():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, (4, 6)), rng.integers(0, 5, (5, 6))  # with ties
    point, low, high = rliable_interval(metrics.probability_of_improvement, first, second)
    estimate = probability_of_improvement(first, second, repetitions=4_000)
    assert estimate.mean == pytest.approx(point)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_profile_and_its_band_are_those_of_rliable():
    scores, thresholds = np.random.default_rng(0).uniform(0, 100, (5, 9)), np.linspace(0, 90, 10)
    np.random.seed(0)  # noqa: NPY002
    points, bands = library.create_performance_profile({"method": scores}, thresholds, reps=2_000)
    share, low, high = performance_profile(scores, thresholds)
    np.testing.assert_allclose(share, points["method"])
    np.testing.assert_allclose([low, high], bands["method"], atol=1 / 45 + 1e-9)  # one run of 45


# From episodes to seeds


def test_a_seed_counts_once_whatever_its_episodes_do(written):
    study, episodes = written
    episodes = episodes.copy()
    for seed, scores in enumerate([[0, 0, 0, 100], [100, 100, 0, 0], [100, 100, 100, 100]]):
        cell = rows_of(episodes, task=TASK, method=METHOD, nfe=5, acting="sample", seed=seed)
        episodes.loc[cell, "normalized_score"] = scores
    scores = seed_scores(episodes, study, "scores.csv")
    assert scores.of(TASK, METHOD, 5).tolist() == [25.0, 50.0, 100.0]
    assert scores.episodes() == "4"
    assert scores.divergence_notice(study) == ""


def test_a_diverged_seed_counts_as_zero_and_is_named(written):
    study, episodes = written
    lost = rows_of(episodes, task=TASK, method=METHOD, seed=SEED)
    diverged = (
        episodes[lost]
        .drop_duplicates(["nfe", "acting"])
        .assign(episode=-1.0, normalized_score=np.nan, status="diverged@70")
    )
    scores = seed_scores(pd.concat([episodes[~lost], diverged]), study, "scores.csv")
    before = seed_scores(episodes, study, "scores.csv").of(TASK, METHOD, 5)
    assert scores.of(TASK, METHOD, 5).tolist() == [before[0], 0.0, before[2]]
    assert scores.diverged(TASK, METHOD) == 1
    assert scores.divergence_notice(study) == "Seeds that diverged count as 0: GTP on Medium (1 of 3)."
    assert scores.episodes() == "4"


def test_rules_are_kept_apart_and_the_first_is_meant_where_none_is_named(written):
    study, episodes = written
    scores = seed_scores(episodes, study, "scores.csv")
    assert np.array_equal(scores.of(TASK, METHOD, 5), scores.of(TASK, METHOD, 5, "sample"))
    best = rows_of(episodes, task=TASK, method=METHOD, nfe=5, acting="best_of_16")
    expected = episodes[best].groupby("seed")["normalized_score"].mean()
    assert scores.of(TASK, METHOD, 5, "best_of_16").tolist() == expected.tolist()
    with pytest.raises(UserError, match="scores.csv.*gtp on pointmaze-medium.*nfe 5.*mean_of_4"):
        scores.of(TASK, METHOD, 5, "mean_of_4")


def test_curves_are_of_the_first_rule_alone(written, tmp_path):
    study, _ = written
    tasks = {task.name: task.label for task in study.tasks}
    folder = write_study(tmp_path / "study", tasks=tasks, episodes=4)
    curves = read_results(folder / "curves.csv", "curves")
    task = next(task for task in study.tasks if task.name == TASK)
    alone = seed_scores(curves, study, "curves.csv").curve(task, METHOD)
    other = curves[curves["method"] == METHOD].assign(acting="best_of_16", normalized_score=77.0)
    mixed = seed_scores(pd.concat([curves, other]), study, "curves.csv")
    assert mixed.curve(task, METHOD) == alone
    lost = curves[(curves["method"] != METHOD) | (curves["acting"] != "sample")]
    scores = seed_scores(pd.concat([lost, other]), study, "curves.csv")
    with pytest.raises(UserError, match="curves.csv.*gtp on pointmaze-medium.*sample"):
        scores.curve(task, METHOD)


def test_curves_have_an_estimate_at_each_step(written, tmp_path):
    study, _ = written
    tasks = {task.name: task.label for task in study.tasks}
    folder = write_study(tmp_path / "study", tasks=tasks, methods=2, episodes=4)
    curves = read_results(folder / "curves.csv", "curves")
    scores = seed_scores(curves, study, "curves.csv")
    maze = next(task for task in study.tasks if task.name == TASK)
    curve = scores.curve(maze, METHOD)
    assert list(curve) == [2000, 4000, 6000, 8000, 10000]
    at = rows_of(curves, task=TASK, method=METHOD, step=4000)
    seeds = curves[at].groupby("seed")["normalized_score"].mean()
    assert curve[4000] == share_estimate(seeds, scores.episodes_each)
    assert scores.curve(replace(maze, maze=None), METHOD)[4000] == mean_estimate(seeds)


def test_methods_outside_the_study_are_left_out(written):
    study, episodes = written
    stranger = episodes[episodes["method"] == METHOD].assign(method="stranger")
    scores = seed_scores(pd.concat([episodes, stranger]), study, "scores.csv")
    assert set(scores.table["method"]) == {"gtp", "gtp-no_guidance"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda rows, cell: rows[~cell],
            "scores.csv lacks a seed: .*pointmaze-medium.*gtp.*nfe 5.*sample.*seed 1; .*run snakemake",
        ),
        (lambda rows, cell: pd.concat([rows, rows[cell]]), "scores.csv .*twice: .*pointmaze-medium"),
        (
            lambda rows, cell: rows.assign(normalized_score=rows["normalized_score"].mask(cell)),
            "scores.csv has no normalized_score: .*pointmaze-medium.*gtp.*nfe 5.*seed 1",
        ),
        (
            lambda rows, cell: pd.concat([rows, rows[cell].assign(seed=9.0)]),
            "scores.csv .*study.json.*pointmaze-medium.*gtp.*seed 9",
        ),
    ],
)
def test_incomplete_scores_are_refused(written, damage, message):
    study, episodes = written
    cell = rows_of(episodes, task=TASK, method=METHOD, nfe=5, acting="sample", seed=SEED)
    damaged = damage(episodes, cell)
    with pytest.raises(UserError, match=message):
        seed_scores(damaged, study, "scores.csv")


def test_a_cell_without_rows_is_refused_by_name(written):
    study, episodes = written
    rest = episodes[~rows_of(episodes, task=TASK, method=METHOD)]
    scores = seed_scores(rest, study, "scores.csv")
    with pytest.raises(UserError, match="scores.csv.*gtp on pointmaze-medium"):
        scores.of(TASK, METHOD, 5)
    with pytest.raises(UserError, match="scores.csv.*gtp on pointmaze-medium"):
        scores.curve(next(task for task in study.tasks if task.name == TASK), METHOD)
    fewer = seed_scores(episodes[episodes["nfe"] != 5], study, "scores.csv")
    with pytest.raises(UserError, match="at nfe 5"):
        fewer.of(TASK, METHOD, 5)


def test_a_paired_difference_is_students_interval_of_the_pairs():
    first, second = [[10.0, 20.0, 33.0]], [[8.0, 18.0, 30.0]]  # 2, 2, 3 apart
    value = paired_difference(first, second)
    expected = stats.ttest_1samp([2.0, 2.0, 3.0], 0.0).confidence_interval(0.95)
    assert (value.mean, value.n) == (pytest.approx(7 / 3), 3)
    assert (value.low, value.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    wider = paired_difference(first, second, 0.99)
    expected = stats.ttest_1samp([2.0, 2.0, 3.0], 0.0).confidence_interval(0.99)
    assert wider.low == pytest.approx(expected.low)


def test_pairs_of_shares_that_all_agree_have_the_spread_of_their_episodes():
    everything, nothing = [[100.0] * 3], [[0.0] * 3]
    apart = paired_difference(everything, nothing, episodes=[20])
    assert apart.mean == apart.high == 100.0  # never above
    assert 90.0 < apart.low < 100.0
    same = paired_difference(everything, everything, episodes=[20])
    assert (same.mean, same.low) == (0.0, -same.high)
    # Sixty episodes each, with one success and one failure more: 4.303 sqrt(2 p (1 - p) / 60), p = 61/62.
    half = stats.t.ppf(0.975, 2) * np.sqrt(2 * (61 / 62) * (1 / 62) / 60)
    assert same.high == pytest.approx(100 * half)
    assert paired_difference(everything, everything).high == 0.0  # nothing says that they are shares
    differing = paired_difference([[100.0, 0.0, 100.0]], [[0.0] * 3], episodes=[20])
    assert (differing.high, differing.low) == (100.0, pytest.approx(200 / 3 - 143.4, abs=0.1))
    mixed = paired_difference([[100.0] * 3, [5.0] * 3], [[0.0] * 3, [5.0] * 3], episodes=[20, None])
    assert mixed.low < 50.0 < mixed.high


def test_a_share_has_an_interval_within_its_range():
    solved = share_estimate([100.0] * 5, 20)
    z = stats.t.ppf(0.975, 4)
    assert (solved.mean, solved.high) == (100.0, 100.0)
    assert solved.low == pytest.approx(100 * 100 / (100 + z**2))
    even = share_estimate([50.0, 50.0, 50.0], 100)
    assert even.low + even.high == pytest.approx(100.0)
    uneven = share_estimate([0.0, 50.0, 100.0], 100)  # seeds that differ this much count as three episodes
    assert uneven.high - uneven.low > 3 * (even.high - even.low)
    assert (uneven.low >= 0.0) & (uneven.high <= 100.0)
    assert np.isnan(share_estimate([50.0], 100).low)
    for share, (episodes, n) in product((0.0, 100.0), product((2, 3, 10, 90), (2, 3, 5))):
        alike = share_estimate([share] * n, episodes)
        assert alike.low <= alike.mean <= alike.high  # a figure's whiskers must not have negative lengths


def test_seeds_that_agree_on_a_share_leave_room_in_a_difference():
    same = average_difference([[100.0] * 3], [[100.0] * 3], [20])
    # Two variances of 61/62 of 60 episodes, 4 degrees of freedom.
    half = stats.t.ppf(0.975, 4) * np.sqrt(2 * 1e4 * 61 / 62 * (1 / 62) / 60)
    assert (same.mean, same.low, same.high) == pytest.approx((0.0, -half, half))
    assert average_difference([[100.0] * 3], [[100.0] * 3]).half_width == 0.0
    # The variance of the side that agrees must not make the interval narrower by its degrees of freedom.
    spread = [[45.0, 50.0, 65.0]]
    assert average_difference(spread, [[100.0] * 3], [20]) == average_difference(spread, [[100.0] * 3])
    assert average_difference(spread, [[0.0] * 3], [20]).high <= 100.0


def test_scores_of_mazes_have_intervals_within_0_and_100_also_on_average():
    maze = SimpleNamespace(name="maze", is_goal_reaching=True)
    other = SimpleNamespace(name="robot", is_goal_reaching=False)
    rows = [
        {"task": task, "method": "m", "nfe": 1, "acting": "sample", "step": 1, "seed": seed, "score": score}
        for task in ("maze", "robot")
        for seed, score in enumerate((95.0, 95.0, 100.0))
    ]
    scores = SeedScores(pd.DataFrame(rows).assign(episodes=20, diverged=False), "s.csv", {"m": "sample"})
    share, mean = (scores.estimate([task], "m", 1) for task in (maze, other))
    assert 0.0 < share.low < share.mean < share.high <= 100.0 < mean.high
    assert scores.estimate([maze, maze], "m", 1).low > share.low  # of twice the episodes
    assert scores.episodes_of([maze, other]) == [20, None]
