"""The figure of scores against the time of an action."""

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from gtp.errors import UserError
from gtp.report.labels import label_points
from gtp.report.results import read_results, read_study
from gtp.report.speed import acting_costs
from gtp.report.statistics import seed_scores
from gtp.report.style import method_styles
from workflow.scripts import (
    figure_speed,
)

from .figure_fixtures import note_of, speed_of


def points_of(results: Path, **changes) -> list[figure_speed.Point]:
    """The points of the first suite."""
    study = replace(read_study(results / "study.json"), **changes)
    scores, costs = (read_results(results / f"{name}.csv", name) for name in ("scores", "cost"))
    return figure_speed.points_of(
        seed_scores(scores, study, "s.csv"),
        acting_costs(costs, study, "c.csv"),
        study,
        study.suites()[study.tasks[0].suite],
        method_styles(study),
    )


def test_coloured_methods_stand_at_every_k_and_rule_and_the_others_once(results: Path):
    points = points_of(results)
    ways = [(point.rule, point.nfe) for point in points if point.method.name == "gtp"]
    assert ways == list(product(("sample", "best_of_16"), (1, 2, 3, 5, 8)))
    others = [(p.method.name, p.rule, p.nfe) for p in points if p.method.name != "gtp"]
    assert others == [
        ("gtp-no_guidance", "sample", 5),
        ("gtp-no_consistency", "sample", 5),
        ("gaussian_bc", "deterministic", 1),
    ]


def test_points_have_the_mean_of_the_suite_and_times_in_microseconds(results: Path):
    _, scores, costs = speed_of(results)
    point = next(p for p in points_of(results) if (p.method.name, p.rule, p.nfe) == ("gtp", "sample", 5))
    rows = scores[scores["task"].str.startswith("pointmaze") & (scores["method"] == "gtp")]
    rows = rows[(rows["acting"] == "sample") & (rows["nfe"] == 5)]
    assert point.score.mean == pytest.approx(rows["normalized_score"].mean())
    assert 0.0 <= point.score.low < point.score.mean <= point.score.high <= 100.0  # shares of episodes
    own = costs[(costs["task"] == "pointmaze-umaze") & (costs["method"] == "gtp")]
    own = own[(own["batch_size"] == 1) & (own["acting"] == "sample") & (own["nfe"] == 5)]
    logs = np.log(1e6 * own["value"])
    half = 2.776445 * logs.std(ddof=1) / np.sqrt(5)  # t of 0.975 with 4 degrees of freedom
    assert point.time.mean == pytest.approx(np.exp(logs.mean()))
    assert (point.time.low, point.time.high) == pytest.approx(
        (np.exp(logs.mean() - half), np.exp(logs.mean() + half)), rel=1e-6
    )


def test_the_frontier_has_the_points_that_no_faster_one_beats():
    def at(time: float, score: float) -> SimpleNamespace:
        return SimpleNamespace(time=SimpleNamespace(mean=time), score=SimpleNamespace(mean=score))

    points = [at(3, 50), at(1, 10), at(2, 5), at(4, 50), at(5, 60), at(1, 8)]
    assert figure_speed.frontier(points) == [(1, 10), (3, 50), (5, 60)]


def test_a_panel_for_each_suite_names_its_methods_and_nothing_lies_on_a_name(results: Path):
    figure, *_ = speed_of(results)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["pointmaze, 2 tasks", "Hopper (locomotion)"]
    for axes in figure.axes:
        names = {text.get_text(): text for text in axes.texts if text.get_text() and text.get_fontsize() > 6}
        assert set(names) == {"GTP", "GTP, no guidance", "GTP, no consistency", "Gaussian BC"}
        boxes = [text.get_window_extent() for text in names.values()]
        assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    numbers = [text.get_text() for text in figure.axes[0].texts if text.get_fontsize() < 6]
    assert [number for number in numbers if number] == ["1", "2", "3", "5", "8"]  # of GTP's first rule


def test_names_of_points_that_coincide_lie_apart():
    figure = Figure(figsize=(3, 3), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label_points(figure, {axes: ([(f"method {i}", 0.5, 0.98, "black") for i in range(6)], [(0.5, 0.9)])})
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    frame = axes.get_window_extent()
    assert all(box.y1 <= frame.y1 and box.x0 >= frame.x0 for box in boxes)


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((170.0, 9000.0), ["200", "500", "1,000", "2,000", "5,000"]),
        ((0.9, 25.0), ["1", "2", "5", "10", "20"]),
        ((50.0, 30_000.0), ["100", "1,000", "10,000"]),
    ],
)
def test_an_axis_of_times_has_two_numbers_or_more(limits, labels):
    axes = Figure().subplots()
    figure_speed.set_times(axes, *limits)
    assert [text.get_text() for text in axes.get_xticklabels()] == labels


def test_times_of_a_task_are_those_of_its_suite(results: Path):
    figure, _, costs = speed_of(results)
    note = note_of(figure)
    assert "on cpu" in note
    assert "95 % $t$ interval over 5 rounds" in note
    assert "measured on U-Maze, Hopper" in note
    assert "over 3 seeds, 8 episodes" in note
    study = read_study(results / "study.json")
    lost = costs[costs["task"] != "hopper-medium-replay"]
    with pytest.raises(UserError, match="cost.csv.*suite locomotion"):
        acting_costs(lost, study, "cost.csv").measured_on(study, "locomotion")
    with pytest.raises(UserError, match="cost.csv.*seconds_per_action"):
        acting_costs(costs[costs["quantity"] == "parameters"], study, "cost.csv")
