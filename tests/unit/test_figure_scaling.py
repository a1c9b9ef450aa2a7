"""The figure of scores against the size of a model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gtp.errors import UserError
from gtp.report.registry import has_sizes
from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores
from workflow.scripts import figure_scaling

from .figure_fixtures import note_of


def tables(results: Path):
    """A study whose first three methods are sizes of the first, its scores, and its costs."""
    study = read_study(results / "study.json")
    first, *others = [method for method in study.methods if method.generative][:3]
    members = (first, *(replace(method, size_of=first.name) for method in others))
    study = replace(study, methods=members)
    cost = read_results(results / "cost.csv", "cost")
    for factor, method in zip((2.0, 1.0, 4.0), members, strict=True):
        mine = (cost["method"] == method.name) & (cost["quantity"] == "parameters")
        cost.loc[mine, "value"] = factor * 1e5
    return study, read_results(results / "scores.csv", "scores"), cost


def test_sizes_stand_in_the_order_of_their_parameters_with_every_seed(results: Path):
    study, table, cost = tables(results)
    scores = seed_scores(table, study, "scores.csv")
    figure = figure_scaling.draw(scores, cost, study)
    axes, task = figure.axes[0], study.tasks[0].name
    best, lowest = axes.containers
    first, second, third = (method.name for method in study.methods)
    assert best[0].get_xdata(orig=False).tolist() == [1e5, 2e5, 4e5]
    expected = [scores.of(task, name, study.headline_nfe).mean() for name in (second, first, third)]
    np.testing.assert_allclose(best[0].get_ydata(orig=False), expected)
    least = [scores.of(task, name, min(study.nfe)).mean() for name in (second, first, third)]
    np.testing.assert_allclose(lowest[0].get_ydata(orig=False), least)
    dots = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [len(study.seeds)] * 6
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.1", "0.2", "0.4"]
    assert f"{len(study.seeds)} seeds" in note_of(figure)


def test_the_verdict_says_whether_means_rise_and_what_is_beyond_chance():
    low, same, high = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.1, 3.0]), np.array([50.0, 51.0, 52.0])
    assert figure_scaling.verdict([low, same, high]) == "means rise; 1 of 2 steps up beyond their intervals"
    assert figure_scaling.verdict([high, low, high]).startswith("means do not rise throughout; 1 of 2")


def test_a_figure_of_sizes_needs_three(results: Path):
    study, *_ = tables(results)
    assert has_sizes(study)
    assert not has_sizes(replace(study, methods=study.methods[:2]))


def test_missing_parameters_are_one_line(results: Path):
    study, table, cost = tables(results)
    lacking = cost[(cost["method"] != study.methods[1].name) | (cost["quantity"] != "parameters")]
    with pytest.raises(UserError, match=study.methods[1].name):
        figure_scaling.draw(seed_scores(table, study, "scores.csv"), lacking, study)
