"""The performance profiles."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores
from workflow.scripts import (
    figure_profiles,
)

from .figure_fixtures import note_of
from .results_fixtures import (
    write_study,
)


def test_profiles_are_shares_of_runs_above_each_threshold(results: Path):
    study = read_study(results / "study.json")
    table = read_results(results / "scores.csv", "scores")
    figure = figure_profiles.draw(seed_scores(table, study, "scores.csv"), study)
    (axes,) = figure.axes
    rows = table[(table["method"] == "gtp") & (table["nfe"] == 5) & (table["acting"] == "sample")]
    runs = rows.groupby(["task", "seed"])["normalized_score"].mean()
    assert len(runs) == 9
    taus, shares = axes.lines[0].get_data()
    np.testing.assert_allclose(shares, [(runs > tau).mean() for tau in taus])
    assert (np.diff(shares) <= 0).all()
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() >= 0
    assert band.max() <= 1
    assert "too narrow with few seeds" in note_of(figure)


def test_profiles_put_no_two_sources_together_and_many_methods_side_by_side(tmp_path: Path):
    tasks = {"hopper-medium": "Hopper", "pointmaze-umaze": "U-Maze"}
    folder = write_study(tmp_path / "study", tasks=tasks, methods=13, seeds=2, episodes=2)
    study = read_study(folder / "study.json")
    scores = seed_scores(read_results(folder / "scores.csv", "scores"), study, "s.csv")
    titles = [axes.get_title() for axes in figure_profiles.draw(scores, study).axes]
    assert titles == ["with rewards", "cloning", "ablations"]
    mixed = replace(study, tasks=(replace(study.tasks[0], source="d4rl"), study.tasks[1]))
    figure = figure_profiles.draw(scores, mixed)
    assert [axes.get_title() for axes in figure.axes] == ["locomotion", "pointmaze", "", "", "", ""]
