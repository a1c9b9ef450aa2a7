"""The figure of learning curves."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores
from workflow.scripts import figure_learning_curves

from .figure_fixtures import note_of


def test_each_seed_has_a_thin_line_and_all_lines_end_at_the_scores_of_the_tables(results: Path):
    study = read_study(results / "study.json")
    tables = {name: read_results(results / f"{name}.csv", name) for name in ("curves", "scores")}
    scores = {name: seed_scores(rows, study, name) for name, rows in tables.items()}
    few = replace(study, methods=study.methods[:2])
    for shown in (few, study):
        figure = figure_learning_curves.draw(scores["curves"], scores["scores"], shown)
        axes = figure.axes[0]
        thick = next(line for line in axes.lines if line.get_marker() == "o")
        thin = [line for line in axes.lines if line.get_linewidth() == 0.5][:3]
        rows = tables["curves"]
        rows = rows[(rows["task"] == "pointmaze-umaze") & (rows["method"] == "gtp")]
        seeds = rows.groupby(["step", "seed"])["normalized_score"].mean().unstack()
        last = scores["scores"].of("pointmaze-umaze", "gtp", 5)
        assert not np.allclose(last, seeds.iloc[-1])  # else this shows nothing
        np.testing.assert_allclose(thick.get_xdata(), seeds.index / 1000)
        np.testing.assert_allclose(thick.get_ydata(), [*seeds.mean(axis=1).iloc[:-1], last.mean()])
        for line, seed, end in zip(thin, seeds.columns, last, strict=True):
            np.testing.assert_allclose(line.get_ydata(), [*seeds[seed].iloc[:-1], end])


def test_many_methods_have_a_small_panel_each(results: Path):
    study = read_study(results / "study.json")
    curves, scores = (
        seed_scores(read_results(results / f"{name}.csv", name), study, name) for name in ("curves", "scores")
    )
    figure = figure_learning_curves.draw(curves, scores, study)
    assert len(figure.axes) == len(study.methods) * len(study.tasks)
    names = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes[:: len(study.tasks)]]
    assert names == [method.label for method in study.methods]
    assert "Dotted: GTP." in note_of(figure)
    assert [task.is_goal_reaching for task in study.tasks] == [True, True, False]
    limits = [axes.get_ylim() for axes in figure.axes]
    assert {*limits[0::3], *limits[1::3]} == {(-5.0, 105.0)}  # shares of episodes
    assert len(set(limits[2::3])) == 1
    few = replace(study, methods=study.methods[:3])
    assert len(figure_learning_curves.draw(curves, scores, few).axes) == len(study.tasks)
