"""Grids, rows of methods, titles, legends and limits."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.lines import Line2D

from gtp.report.layout import (
    CROWD,
    columns_for,
    label_panels,
    legend_above,
    legend_columns,
    legend_lines,
    method_rows,
    panel_grid,
    row_labels,
    scatter_grid,
    set_score_limits,
    task_titles,
    wrap,
)
from gtp.report.style import house_style

from .figure_fixtures import study_of
from .results_fixtures import (
    D4RL_TASKS,
    MAZE_TASKS,
    METHODS,
)


def test_few_methods_share_a_row_and_many_stand_in_rows_by_what_they_are():
    few = study_of(CROWD)
    assert method_rows(few) == {"": few.methods}
    many = study_of(9, 3)
    many.methods[4].group = "cloning"
    many.methods[-1].group = "cloning"  # an ablation that uses no rewards
    rows = {title: [method.name for method in row] for title, row in method_rows(many).items()}
    assert rows == {
        "with rewards": ["0", "1", "2", "3"],
        "with rewards (2)": ["0", "5", "6", "7", "8"],
        "cloning": ["0", "4", "a2"],
        "ablations": ["0", "a0", "a1"],
    }
    assert row_labels(rows, "score")[2] == "cloning\nscore"
    assert row_labels([""], "score") == ["score"]
    lines = legend_lines(many)
    assert len(lines) == 12  # each method once, although the first is in every row


@pytest.mark.parametrize("methods", [8, 13, 25, 40])
def test_no_row_is_crowded_and_no_method_lost(methods: int):
    study = study_of(methods // 2, methods - methods // 2)
    rows = method_rows(study)
    assert max(map(len, rows.values())) <= CROWD
    assert {method.name for row in rows.values() for method in row} == {m.name for m in study.methods}


def test_rows_of_a_panel_stand_below_each_other():
    with house_style():
        figure, panels = panel_grid(6, 2)  # in lines of three
        titles = [f"task {i}" for i in range(6)]
        label_panels(panels, titles, "x", ["upper\ny", "lower\ny"])
        figure.draw_without_rendering()
    assert panels.shape == (2, 6)
    boxes = np.array([[axes.get_position().bounds for axes in row] for row in panels])
    assert (boxes[0, :, 1] > boxes[1, :, 1]).all()
    assert (boxes[1, :3, 1] > boxes[0, 3:, 1]).all()  # the second line is below both rows of the first
    np.testing.assert_allclose(boxes[0, :, 0], boxes[1, :, 0], atol=1e-6)
    assert [axes.get_title() for axes in panels[0]] == titles
    assert not any(axes.get_title() for axes in panels[1])
    assert [bool(axes.get_xlabel()) for axes in panels[1]] == [False] * 3 + [True] * 3
    assert [axes.get_ylabel() for axes in panels[:, 3]] == ["upper\ny", "lower\ny"]
    assert not panels[0, 1].get_ylabel()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9, 11, 15, 18])
def test_titles_stay_inside_the_figure_and_apart(count: int):
    names = list({**MAZE_TASKS, **D4RL_TASKS}.values())[-count:]
    with house_style():
        figure, panels = panel_grid(count)
        label_panels(panels, names, "function evaluations $K$", ["normalised score"])
        figure.draw_without_rendering()
    panels = panels[0]
    columns = columns_for(count)
    assert len(panels) == count
    assert figure.get_figwidth() <= 6.75
    assert figure.get_figheight() < 9
    boxes = [axes.title.get_window_extent() for axes in panels]
    for index, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        if index % columns:
            assert box.x0 > boxes[index - 1].x1
    lowest = {index % columns: index for index in range(count)}
    assert [i for i, axes in enumerate(panels) if axes.get_xlabel()] == sorted(lowest.values())


@pytest.mark.parametrize("methods", [1, 4, 8, 10, 13])
@pytest.mark.parametrize("count", [1, 9])
def test_legends_stay_inside_the_figure_and_leave_the_panels_their_room(methods: int, count: int):
    labels = [label for label, *_ in METHODS.values()][:methods]
    with house_style():
        figure, panels = panel_grid(count)
        legend_above(figure, [Line2D([], [], label=label, marker="o") for label in labels])
        figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert all(axes.get_window_extent().y1 < box.y0 for axes in panels[0])
    assert all(axes.get_window_extent().height / figure.dpi > 1.2 for axes in panels[0])


def test_legends_use_the_room_there_is():
    assert legend_columns(["GTP", "GTP, no guidance", "GTP, no consistency", "Gaussian BC"], 6.75) == 4
    assert legend_columns(["GTP"] * 2, 6.75) == 2
    assert legend_columns(["a name as long as the figure is wide"] * 3, 2.0) == 1


def test_titles_name_the_suite_where_it_is_not_in_the_name():
    hopper = SimpleNamespace(label="Hopper medium", suite="locomotion")
    maze = SimpleNamespace(label="PointMaze Fork", suite="pointmaze")
    both = SimpleNamespace(tasks=[hopper, maze], suites=lambda: {"locomotion": [hopper], "pointmaze": [maze]})
    assert task_titles(both) == ["Hopper medium (locomotion)", "PointMaze Fork"]
    assert task_titles(SimpleNamespace(tasks=[hopper], suites=lambda: {"locomotion": [hopper]})) == [
        "Hopper medium"
    ]


def test_scatters_stand_in_lines_of_three():
    figure, panels = scatter_grid(4)
    assert len(panels) == len(figure.axes) == 4
    assert figure.get_figwidth() > scatter_grid(1)[0].get_figwidth()


def test_long_names_break_between_words():
    assert wrap("GTP, negative advantages truncated", 1.0) == "GTP, negative\nadvantages\ntruncated"
    assert wrap("medium-replay", 0.1) == "medium-replay"


def test_shares_show_their_whole_range_and_other_scores_all_means():
    with house_style():
        _, ((axes, other),) = panel_grid(2)
        set_score_limits(axes, True, [40.0])
        set_score_limits(other, False, [-4.0, 120.0])
    low, high = axes.get_ylim()
    assert low < 0 < 100 < high
    low, high = other.get_ylim()
    assert low < -4 < 120 < high
