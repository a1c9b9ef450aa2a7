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
    whole, zoom = figure.axes[0], next(axes for axes in figure.axes if axes.get_xlabel())
    ends = next(line for line in zoom.lines if line.get_marker() == "o" and len(line.get_xdata()) == 61)
    assert max(abs(ends.get_xdata())) < zoom.get_xlim()[1] <= figure_trajectories.MOST_ZOOM
    assert [text.get_text() for text in zoom.texts] == ["3 beyond"]
    assert whole.get_xlim()[1] > points.loc[points["kind"] == "path", ["a0", "a1"]].abs().to_numpy().max()
    assert whole.get_title() == "GTP"
    data = next(line for line in zoom.lines if line.get_marker() == "D")
    assert len(data.get_xdata()) == 64  # once, although the file repeats them for each method


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
