"""The figure of scores against the budget: every seed, and a tenth of the updates marked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gtp.errors import UserError
from gtp.report.registry import trains_long
from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores
from workflow.scripts import figure_budget

from .figure_fixtures import note_of


def test_seeds_and_their_mean_stand_against_updates(results: Path):
    study = read_study(results / "study.json")
    scores = seed_scores(read_results(results / "curves.csv", "curves"), study, "curves.csv")
    figure = figure_budget.draw(scores, study)
    axes, task = figure.axes[0], study.tasks[0].name
    assert axes.get_xscale() == "log"
    assert len(axes.lines) == len(study.methods) * (len(study.seeds) + 1) + 1
    tenth = axes.lines[-1]
    assert tenth.get_xdata() == [study.steps / 10] * 2
    means = [line for line in axes.lines[:-1] if line.get_linewidth() > 1]
    np.testing.assert_allclose(means[0].get_ydata(), scores.seed_curves(task, "gtp").mean(axis=1))
    thin = [line for line in axes.lines if line.get_linewidth() < 0.5]
    first = scores.table[(scores.table["task"] == task) & (scores.table["method"] == "gtp")]
    np.testing.assert_allclose(thin[0].get_ydata(), first[first["seed"] == 0]["score"])
    assert "interval" not in note_of(figure)
    with pytest.raises(UserError, match=r"curves\.csv has no rows for gtp on nowhere"):
        figure_budget.seed_curves(scores, "nowhere", "gtp")


def test_only_long_studies_have_it(results: Path):
    study = read_study(results / "study.json")
    assert not trains_long(study)
    assert trains_long(replace(study, steps=60_000))
