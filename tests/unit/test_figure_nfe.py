"""The figure of scores against the number of function evaluations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores
from gtp.report.style import save_figure
from workflow.scripts import (
    figure_nfe,
)

from .figure_fixtures import note_of
from .results_fixtures import (
    write_study,
)


def test_scores_stand_at_their_k_and_methods_without_k_are_bands(results: Path):
    study = read_study(results / "study.json")
    table = read_results(results / "scores.csv", "scores")
    axes = figure_nfe.draw(seed_scores(table, study, "scores.csv"), study).axes[0]
    containers = dict(zip(["gtp", "gtp-no_guidance", "gtp-no_consistency"], axes.containers, strict=True))
    rows = table[(table["task"] == "pointmaze-umaze") & (table["acting"] != "best_of_16")]
    for method, container in containers.items():
        means = rows[rows["method"] == method].groupby("nfe")["normalized_score"].mean()
        assert np.abs(np.log(container[0].get_xdata(orig=False) / means.index)).max() < np.log(1.2)
        np.testing.assert_allclose(container[0].get_ydata(orig=False), means)
    level = rows.loc[rows["method"] == "gaussian_bc", "normalized_score"].mean()
    flat = [line for line in axes.lines if np.allclose(line.get_ydata(orig=False), level)]
    assert flat
    assert len(axes.patches) == 1
    band = axes.patches[0]
    assert band.get_y() < level < band.get_y() + band.get_height()


def test_a_method_with_more_evaluations_stands_on_the_axis_that_all_panels_share(tmp_path: Path):
    folder = write_study(tmp_path / "study", tasks={"pointmaze-umaze": "U-Maze"}, methods=13, episodes=2)
    study, table = read_study(folder / "study.json"), read_results(folder / "scores.csv", "scores")
    more = table[(table["method"] == "diffusion_ql") & (table["nfe"] == 8)].assign(nfe=31.0)
    methods = tuple(
        replace(method, nfe=(*method.nfe, 31)) if method.name == "diffusion_ql" else method
        for method in study.methods
    )
    study = replace(study, methods=methods)
    scores = seed_scores(pd.concat([table, more]), study, "scores.csv")
    axes = figure_nfe.draw(scores, study).axes
    assert len(axes) == 3  # with rewards, cloning, ablations
    assert len({panel.get_xlim() for panel in axes}) == 1
    assert [text.get_text() for text in axes[-1].get_xticklabels()] == ["1", "2", "3", "5", "8", "31"]
    counts = [len(container[0].get_xdata(orig=False)) for container in axes[0].containers]
    assert sorted(counts) == [5, 5, 6]


def test_one_seed_has_lines_without_intervals(tmp_path: Path):
    write_study(tmp_path, seeds=1, tasks={"pointmaze-umaze": "U-Maze"}, episodes=3)
    study = read_study(tmp_path / "study.json")
    scores = seed_scores(read_results(tmp_path / "scores.csv", "scores"), study, "scores.csv")
    figure = figure_nfe.draw(scores, study)
    assert not figure.axes[0].patches
    assert "One seed, so no interval" in note_of(figure)
    save_figure(figure, tmp_path / "nfe.pdf", tmp_path / "nfe.png")
