"""What all figures of scores share."""

from dataclasses import replace
from pathlib import Path

import pytest

from gtp.report.results import read_results, read_study
from gtp.report.speed import acting_costs
from gtp.report.statistics import seed_scores
from gtp.report.style import save_figure
from workflow.scripts import (
    figure_learning_curves,
    figure_nfe,
    figure_profiles,
    figure_seeds,
    figure_speed,
)

from .figure_fixtures import curves_of, note_of
from .results_fixtures import (
    write_study,
)


def test_what_a_reader_must_know_is_in_the_figure(results: Path):
    note = note_of(curves_of(results)[0])
    for words in (
        "3 seeds, 20 episodes",
        "Generated data, not D4RL",
        "Gaussian BC on Medium (1 of 3)",
    ):
        assert words in note


def test_the_rule_of_a_figure_that_shows_one_is_named_with_its_exceptions(results: Path):
    study = read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    figures = (figure_nfe.draw(scores, study), figure_profiles.draw(scores, study), curves_of(results)[0])
    for figure in figures:
        note = note_of(figure)
        assert "Acting: one sample (deterministic: Gaussian BC)." in note


def test_rows_of_a_task_share_their_limits(tmp_path: Path):
    tasks = {"hopper-medium": "Hopper", "pointmaze-umaze": "U-Maze"}
    folder = write_study(tmp_path / "study", tasks=tasks, methods=13, seeds=2, episodes=2)
    study = read_study(folder / "study.json")
    scores = seed_scores(read_results(folder / "scores.csv", "scores"), study, "s.csv")
    curves = seed_scores(read_results(folder / "curves.csv", "curves"), study, "c.csv")
    evaluations = figure_nfe.draw(scores, study)
    assert len(evaluations.axes) == 3 * 2  # with rewards, cloning, ablations
    assert len(evaluations.legends[0].get_texts()) == 13
    learning = figure_learning_curves.draw(curves, scores, study)
    assert len(learning.axes) == 13 * 2
    for figure in (evaluations, learning):
        for column in range(2):
            own = figure.axes[column::2]
            assert len({axes.get_xlim() for axes in own}) == 1
            assert len({axes.get_ylim() for axes in own}) == 1


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("methods", [["gtp"], ["gtp", "gtp-no_guidance"], ["gaussian_bc"]])
def test_every_figure_of_scores_is_drawn_for_views_with_few_methods(
    results: Path, tmp_path: Path, methods: list[str], seeds: int
):
    study = read_study(results / "study.json")
    study = replace(
        study,
        methods=tuple(study.method(name) for name in methods),
        seeds=tuple(range(seeds)),
        tasks=study.tasks[:1],
    )
    tables = {name: read_results(results / f"{name}.csv", name) for name in ("scores", "curves", "cost")}
    scores, curves = (
        seed_scores(tables[name][tables[name]["seed"] < seeds], study, name) for name in ("scores", "curves")
    )
    costs = acting_costs(tables["cost"][tables["cost"]["repetition"] != 1], study, "cost.csv")
    figures = {
        "speed": figure_speed.draw(scores, costs, study),
        "nfe": figure_nfe.draw(scores, study),
        "profiles": figure_profiles.draw(scores, study),
        "curves": figure_learning_curves.draw(curves, scores, study),
        "seeds": figure_seeds.draw(scores, study, "tasks"),
        "overview": figure_seeds.draw(scores, study, "average"),
    }
    for name, figure in figures.items():
        assert len(figure.axes) == 1
        if name in ("nfe", "profiles", "curves"):
            assert len(figure.legends[0].get_texts()) == len(methods)
        save_figure(figure, tmp_path / f"{name}.png")
