"""The figure of returns in the datasets."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gtp.errors import UserError
from gtp.report.results import read_results, read_study
from gtp.report.style import save_figure
from workflow.scripts import (
    figure_dataset_returns,
)

from .figure_fixtures import note_of
from .results_fixtures import (
    LOCOMOTION_TASKS,
    RETURNS,
)


def test_returns_are_shares_in_bins_that_a_robot_shares(mixed: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    figure = figure_dataset_returns.draw(table, study, "episodes.csv")
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == list(LOCOMOTION_TASKS.values())
    for robot, expert in RETURNS.items():
        own = [panels[f"{robot.capitalize()} medium{more}"] for more in ("", "-replay", "-expert")]
        assert len({axes.get_xlim() for axes in own}) == 1
        assert len({axes.get_position().y0 for axes in own}) == 1  # one row
        low, high = own[0].get_xlim()
        assert low < 0 < expert < high
    for axes in panels.values():
        for part in axes.patches:
            assert part.get_data().values.sum() == pytest.approx(100)
    # Half the episodes of medium-expert lie near each of two returns; replay has some everywhere between.
    shares, edges, _ = panels["Hopper medium-expert"].patches[0].get_data()
    middle = 0.75 * RETURNS["hopper"]
    assert shares[edges[1:] < middle].sum() == pytest.approx(50, abs=2)
    assert shares[np.abs(edges[1:] - middle) < 0.1 * RETURNS["hopper"]].sum() == 0
    spread = panels["Hopper medium-replay"].patches[0].get_data().values
    assert (spread[edges[1:] < 0.45 * RETURNS["hopper"]] > 0).all()


def test_returns_weigh_steps_apart_from_episodes_and_say_how_many(mixed: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    own = table[table["task"] == "walker2d-medium-replay"]
    figure = figure_dataset_returns.draw(table, study, "episodes.csv")
    axes = next(axes for axes in figure.axes if axes.get_title() == "Walker2d medium-replay")
    of_episodes, of_steps = (part.get_data() for part in axes.patches)
    edges = of_episodes.edges
    low = own["return"] < edges[5]
    assert of_episodes.values[:5].sum() == pytest.approx(100 * low.mean())
    assert of_steps.values[:5].sum() == pytest.approx(
        100 * own.loc[low, "length"].sum() / own["length"].sum()
    )
    assert of_steps.values[:5].sum() < 0.7 * of_episodes.values[:5].sum()  # bad episodes end early
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["0", "100", f"{len(own):,} episodes, {own['length'].sum():,.0f} steps"]
    limits = [line.get_xdata()[0] for line in axes.lines]
    assert limits == [0.0, RETURNS["walker2d"]]
    note = note_of(figure)
    assert note.startswith("Scores are 0 at a random policy's return and 100 at the shipped expert's")


def test_rows_of_returns_follow_the_environments():
    def names(*pairs):
        tasks = [SimpleNamespace(name=name, environment=environment) for name, environment in pairs]
        return [[task.name for task in row] for row in figure_dataset_returns.rows_of(tasks)]

    assert names(("a", "x"), ("b", "y"), ("c", "x")) == [["a", "c"], ["b"]]
    assert names(("a", "x"), ("b", "y")) == [["a", "b"]]
    assert names(*((str(i), "x") for i in range(5))) == [["0", "1", "2", "3"], ["4"]]


def test_returns_of_several_suites_are_named(mixed: Path, tmp_path: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    robots = [task for task in study.tasks if task.maze is None]
    tasks = (robots[0], *(replace(task, suite="others") for task in robots[3:]))
    figure = figure_dataset_returns.draw(table, replace(study, tasks=tasks), "episodes.csv")
    assert [part.get_suptitle() for part in figure.subfigs] == ["locomotion", "others"]
    assert len(figure.axes) == 7
    save_figure(figure, tmp_path / "returns.png")


def test_returns_need_tasks_without_mazes_and_their_episodes(mixed: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    with pytest.raises(UserError, match="e.csv.*halfcheetah-medium.*'task'"):
        figure_dataset_returns.draw(table[table["task"] != "halfcheetah-medium"], study, "e.csv")
    mazes = replace(study, tasks=tuple(task for task in study.tasks if task.maze))
    with pytest.raises(UserError, match="study study.*add one"):
        figure_dataset_returns.draw(table, mazes, "e.csv")
