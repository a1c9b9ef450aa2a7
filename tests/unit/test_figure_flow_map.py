"""The figure of learned trajectories."""

from pathlib import Path

import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.report.results import read_results, read_study
from workflow.scripts import (
    figure_flow_map,
)


def flow_map_of(results: Path) -> pd.DataFrame:
    return read_results(results / "flow_map.csv", "flow_map")


def test_flow_map_shows_every_end_or_says_how_many_it_does_not(results: Path):
    points = flow_map_of(results)
    last = (points["kind"] == "path") & (points["t"] == 0) & (points["method"] == "gtp")
    points.loc[points[last].index[:3], "a0"] = 7.0
    figure = figure_flow_map.draw(points, read_study(results / "study.json"), "flow_map.csv")
    whole, zoom = figure.axes[0], next(axes for axes in figure.axes if axes.get_xlabel())
    ends = next(line for line in zoom.lines if line.get_marker() == "o" and len(line.get_xdata()) == 61)
    assert max(abs(ends.get_xdata())) < zoom.get_xlim()[1] <= figure_flow_map.MOST_ZOOM
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
def test_flow_map_refuses_what_it_cannot_draw(change, message: str, results: Path):
    with pytest.raises(UserError, match=message):
        figure_flow_map.draw(change(flow_map_of(results)), read_study(results / "study.json"), "flow_map.csv")
