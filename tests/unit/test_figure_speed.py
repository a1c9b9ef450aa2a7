"""The figure of scores against the time of an action."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from gtp.errors import UserError
from gtp.report.results import read_study
from gtp.report.speed import acting_costs
from workflow.scripts import (
    figure_speed,
)

from .figure_fixtures import note_of, speed_of


def test_speed_has_a_point_for_each_k_with_intervals_on_both_axes(results: Path):
    figure, scores, costs = speed_of(results)
    axes = figure.axes[0]
    gtp, best, *_, bc = axes.containers
    own = costs[
        (costs["task"] == "pointmaze-umaze") & (costs["method"] == "gtp") & (costs["batch_size"] == 1)
    ]
    own = own[own["acting"] == "sample"]
    assert best[0].get_color() == gtp[0].get_color()  # the second rule of the same method
    assert (best[0].get_xdata(orig=False) > gtp[0].get_xdata(orig=False)).all()
    logs = np.log(1e3 * own.set_index(["nfe", "repetition"])["value"].unstack())
    np.testing.assert_allclose(gtp[0].get_xdata(orig=False), np.exp(logs.mean(axis=1)))
    half = 2.776445 * logs.std(axis=1, ddof=1) / np.sqrt(5)  # t of 0.975 with 4 degrees of freedom
    across, upright = (bars.get_segments() for bars in gtp[2])
    low, high = np.array([segment[:, 0] for segment in across]).T
    np.testing.assert_allclose(low, np.exp(logs.mean(axis=1) - half), rtol=1e-6)
    np.testing.assert_allclose(high, np.exp(logs.mean(axis=1) + half), rtol=1e-6)
    rows = scores[(scores["task"] == "pointmaze-umaze") & (scores["method"] == "gtp")]
    rows = rows[rows["acting"] == "sample"]
    seeds = rows.groupby(["nfe", "seed"])["normalized_score"].mean().unstack()
    np.testing.assert_allclose(gtp[0].get_ydata(orig=False), seeds.mean(axis=1))
    half = 4.302653 * seeds.std(axis=1, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose([part[1, 1] - part[0, 1] for part in upright], 2 * half, rtol=1e-5)
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "5", "8"]  # beside the first method
    assert len(bc[0].get_xdata(orig=False)) == 1  # Gaussian BC has one K
    assert axes.get_xscale() == "log"


def test_points_of_further_rules_have_rings_also_those_of_hollow_ablations(results: Path):
    figure, *_ = speed_of(results)
    _, best, _, _, hollow_best, _ = figure.axes[0].containers  # two rules, one, two, one
    ringed = [
        (line.get_xdata(orig=False), line.get_ydata(orig=False), line.get_markeredgecolor())
        for line in figure.axes[0].lines
        if line.get_marker() == "o" and line.get_markerfacecolor() == "none"
    ]
    assert len(ringed) == 2
    for (x, y, color), (points, _, _) in zip(ringed, (best, hollow_best), strict=True):
        np.testing.assert_array_equal(x, points.get_xdata(orig=False))
        np.testing.assert_array_equal(y, points.get_ydata(orig=False))
        assert color == points.get_color()
    note = note_of(figure)
    assert "in a circle: best of 16" in note


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.17, 9.0), ["0.2", "0.5", "1", "2", "5"]),  # 1 alone would give no scale
        ((0.9, 25.0), ["1", "2", "5", "10", "20"]),
        ((0.05, 30.0), ["0.1", "1", "10"]),
    ],
)
def test_an_axis_of_times_has_two_numbers_or_more(limits, labels):
    axes = Figure().subplots()
    figure_speed.set_times(axes, *limits)
    assert [text.get_text() for text in axes.get_xticklabels()] == labels


def test_times_of_a_task_are_those_of_its_suite(results: Path):
    figure, _, costs = speed_of(results)
    umaze, medium, hopper = (axes.containers[0][0].get_xdata(orig=False) for axes in figure.axes)
    np.testing.assert_array_equal(umaze, medium)  # measured on the first of them
    assert not np.allclose(umaze, hopper)
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
