"""The figure of learned trajectories."""

from pathlib import Path

import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.report.results import read_results, read_study
from workflow.scripts import (
    figure_trajectories,
)


def trajectories_of(results: Path) -> pd.DataFrame:
    return read_results(results / "trajectories.csv", "trajectories")


def test_trajectories_shows_every_end_or_says_how_many_it_does_not(results: Path):
    points = trajectories_of(results)
    last = (points["kind"] == "path") & (points["t"] == 0) & (points["method"] == "gtp")
    points.loc[points[last].index[:3], "a0"] = 7.0
    figure = figure_trajectories.draw(points, read_study(results / "study.json"), "trajectories.csv")
    panels = {axes.get_title(): axes for axes in reversed(figure.axes)}  # of equal titles the first
    ends = panels["ends, $K$ = 8"]  # of the paths themselves: older results have no others
    assert [text.get_text() for text in ends.texts] == ["3 beyond"]
    assert ends.collections[0].get_array().sum() == 61
    assert panels["data, similar states"].collections[0].get_array().sum() == 64  # once, not for each method
    assert len(panels["GTP"].collections) == figure_trajectories.SHOWN
    assert "the state in its world" not in panels


def test_trajectories_shows_the_state_in_its_world_and_ends_at_each_k_where_they_are_known(results: Path):
    points, study = trajectories_of(results), read_study(results / "study.json")
    methods = dict.fromkeys(points["method"])
    rows = [
        {"method": method, "kind": "action", "nfe": nfe, "sample": i, "x": 0.1 * nfe, "y": 0.2}
        for method in methods
        for nfe in (1, 5)
        for i in range(30)
    ]
    blank = {"nfe": None, "sample": 0}
    for method in methods:
        rows.append({"method": method, "kind": "state", "x": 2.0, "y": 3.0, **blank})
        rows += [{"method": method, "kind": "visited", "x": x, "y": 0.0, **blank} for x in (0.0, 1.0)]
    figure = figure_trajectories.draw(points, study, "t.csv", pd.DataFrame(rows))
    titles = [axes.get_title() for axes in figure.axes]
    assert [titles.count(f"ends, $K$ = {nfe}") for nfe in (1, 5)] == [len(methods)] * 2
    world = figure.axes[titles.index("the state in its world")]
    assert [list(line.get_xdata()) for line in world.lines] == [[0.0, 1.0], [2.0]]
    shown = figure.axes[titles.index("ends, $K$ = 5")].collections[0]
    assert shown.get_array().sum() == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda points: points[points["kind"] == "data"], "has no path in the column 'kind'"),
        (lambda points: points[points["kind"] == "path"], "has no data in the column 'kind'"),
        (lambda points: points.assign(state=range(len(points))), "more than one state in the column 'state'"),
    ],
)
def test_trajectories_refuses_what_it_cannot_draw(change, message: str, results: Path):
    with pytest.raises(UserError, match=message):
        figure_trajectories.draw(
            change(trajectories_of(results)), read_study(results / "study.json"), "trajectories.csv"
        )
