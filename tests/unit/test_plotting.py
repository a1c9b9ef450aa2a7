"""Figures: the same bytes each time, looks that differ in grey, honest limits, what panels contain."""

import os
import re
import runpy
import zlib
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.errors import UserError
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
    set_score_limits,
    wrap,
)
from gtp.report.mazes import maze_of
from gtp.report.results import read_results, read_study
from gtp.report.speed import acting_costs
from gtp.report.statistics import seed_scores
from gtp.report.style import COLORS, house_style, method_styles, save_figure
from workflow.scripts import (
    figure_coverage,
    figure_flow_map,
    figure_learning_curves,
    figure_nfe,
    figure_profiles,
    figure_returns,
    figure_rollouts,
    figure_speed,
)

from .results_fixtures import (
    ANTMAZE_TASKS,
    D4RL_TASKS,
    LOCOMOTION_TASKS,
    MAZE_TASKS,
    METHODS,
    RETURNS,
    write_study,
)

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
INPUTS = {
    "learning_curves": ["curves"],
    "nfe": ["scores"],
    "speed": ["scores", "cost"],
    "profiles": ["scores"],
    "flow_map": ["flow_map"],
    "returns": ["episodes"],
    "coverage": ["coverage", "mazes"],
    "rollouts": ["rollouts", "mazes"],
}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Files here need not survive a power cut, which takes long to ensure on a busy disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A small study whose files no test changes."""
    tasks = {"pointmaze-umaze": "U-Maze", "pointmaze-medium": "Medium", "hopper-medium-replay": "Hopper"}
    return write_study(
        tmp_path_factory.mktemp("results") / "study",
        tasks=tasks,
        episodes=8,
        diverged=("pointmaze-medium", "gaussian_bc", 1),
    )


def run_script(name: str, results: Path, output: Path) -> list[bytes]:
    """Run a figure's script as Snakemake does; the bytes of its PDF and PNG."""
    files = {table: str(results / f"{table}.csv") for table in INPUTS[name]}
    paths = {kind: str(output / f"{name}.{kind}") for kind in ("pdf", "png")}
    fake = SimpleNamespace(
        input=SimpleNamespace(study=str(results / "study.json"), **files), output=SimpleNamespace(**paths)
    )
    runpy.run_path(str(SCRIPTS / f"figure_{name}.py"), {"snakemake": fake}, "__main__")
    return [Path(path).read_bytes() for path in paths.values()]


@pytest.mark.parametrize("name", INPUTS)
def test_the_same_tables_give_the_same_bytes(name: str, results: Path, tmp_path: Path):
    first = run_script(name, results, tmp_path)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        assert run_script(name, results, tmp_path) == first  # whatever the user's own settings
    assert first[0].startswith(b"%PDF")
    assert first[1].startswith(b"\x89PNG")
    for forbidden in (b"CreationDate", b"/Type3", b"matplotlib"):
        assert forbidden not in pdf_text(first[0])
    assert b"/FontFile2" in pdf_text(first[0])  # TrueType, embedded
    assert b"tEXt" not in first[1]  # no version, no date


def pdf_text(data: bytes) -> bytes:
    """A PDF with its compressed streams, which may hold font descriptors, unpacked."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    unpacked = []
    for stream in streams:
        try:
            unpacked.append(zlib.decompress(stream))
        except zlib.error:  # not compressed
            unpacked.append(stream)
    outside = re.sub(rb"stream\r?\n.*?\r?\nendstream", b"", data, flags=re.DOTALL)
    return outside + b"".join(part for part in unpacked if b"/Type" in part)


def study_of(mains: int, ablations: int = 0) -> SimpleNamespace:
    """A study with so many methods in their places of the methods file."""
    kinds = [(None, i) for i in range(mains)] + [("0", i) for i in range(ablations)]
    return SimpleNamespace(
        methods=[
            SimpleNamespace(
                name=f"{'a' if parent else ''}{place}", order=place, ablation_of=parent, group="rl", label="M"
            )
            for parent, place in kinds
        ]
    )


def test_looks_differ_without_colour():
    styles = list(method_styles(study_of(100)).values())
    assert len(set(styles)) == 100
    for first, second in combinations(styles[:13], 2):
        assert first.marker != second.marker
    for first, second in combinations(styles[:4], 2):
        assert first.dashes != second.dashes
        assert abs(lightness(first.color) - lightness(second.color)) > 8
    for first, second in pairwise(COLORS):
        assert abs(lightness(first) - lightness(second)) > 8


def test_ablations_look_like_no_other_method():
    styles = method_styles(study_of(30, 30))
    assert len(set(styles.values())) == 60
    ablations = [style for name, style in styles.items() if name.startswith("a")]
    assert all(style.hollow and style.dashes and style.color != COLORS[0] for style in ablations)
    assert not any(style.hollow for name, style in styles.items() if not name.startswith("a"))
    first = ablations[:11]
    assert len({style.color for style in first}) == 11
    assert first[0].line()["markerfacecolor"] == "white"
    assert styles["0"].line()["markerfacecolor"] == COLORS[0]


SEEN = {  # the least distance of two colours in Oklab, whose unit is that of black to white
    "normal": (np.eye(3), 0.15),
    "protan": (
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        0.09,
    ),
    "deutan": (
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        0.09,
    ),
}


@pytest.mark.parametrize(("matrix", "least"), SEEN.values(), ids=SEEN)
def test_all_colours_differ_for_all_readers(matrix, least: float):
    """Sources: Machado, Oliveira and Fernandes, 2009, severity 1; Oklab by Ottosson, 2020."""
    seen = [oklab((np.array(matrix) @ linear(color)).clip(0, 1)) for color in COLORS]
    assert min(np.linalg.norm(first - second) for first, second in combinations(seen, 2)) > least


def oklab(color: np.ndarray) -> np.ndarray:
    """Oklab's coordinates of a linear RGB colour."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponents = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return opponents @ np.cbrt(cones @ color)


@pytest.mark.parametrize("matrix", [  # what people without red or without green cones see
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
])  # fmt: skip
def test_colours_of_the_first_methods_differ_for_the_colour_blind(matrix):
    """Source of the matrices: Machado, Oliveira and Fernandes, 2009, severity 1."""
    seen = [np.array(matrix) @ linear(color) for color in COLORS[:4]]
    for first, second in combinations(seen, 2):
        assert np.abs(np.cbrt(first.clip(0)) - np.cbrt(second.clip(0))).max() > 0.1


def linear(color: str) -> np.ndarray:
    """Linear RGB of an sRGB colour."""
    value = np.array(to_rgb(color))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lightness(color: str) -> float:
    """CIE L*, from 0 (black) to 100 (white)."""
    return 116 * np.cbrt(linear(color) @ [0.2126, 0.7152, 0.0722]) - 16


def test_a_method_looks_the_same_in_every_figure_of_a_study(results: Path):
    study = read_study(results / "study.json")
    assert list(method_styles(study, ["gaussian_bc", "gtp", "other"])) == [
        *(method.name for method in study.methods),
        "other",
    ]
    assert method_styles(study, ["other"])["gtp"] == method_styles(study)["gtp"]
    fewer = replace(study, methods=study.methods[2:])  # as in the view of an ablation
    everything = method_styles(study)
    assert method_styles(fewer) == {method.name: everything[method.name] for method in fewer.methods}
    assert method_styles(fewer, ["other"])["other"] not in method_styles(fewer).values()


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


def test_long_names_break_between_words():
    assert wrap("GTP, negative advantages truncated", 1.0) == "GTP, negative\nadvantages\ntruncated"
    assert wrap("medium-replay", 0.1) == "medium-replay"


def test_shares_show_their_whole_range_and_other_scores_all_means():
    with house_style():
        _, ((axes, other),) = panel_grid(2)
        set_score_limits(axes, SimpleNamespace(maze="umaze"), [40.0])
        set_score_limits(other, SimpleNamespace(maze=None), [-4.0, 120.0])
    low, high = axes.get_ylim()
    assert low < 0 < 100 < high
    low, high = other.get_ylim()
    assert low < -4 < 120 < high


def curves_of(results: Path) -> tuple[Figure, pd.DataFrame]:
    study = read_study(results / "study.json")
    table = read_results(results / "curves.csv", "curves")
    return figure_learning_curves.draw(seed_scores(table, study, "curves.csv"), study), table


def test_learning_curves_are_means_over_seeds_with_unclipped_bands(results: Path):
    figure, table = curves_of(results)
    table = table[(table["task"] == "pointmaze-umaze") & (table["method"] == "gtp")]
    seeds = table.groupby(["step", "seed"])["normalized_score"].mean().unstack()
    half = 4.302653 * seeds.std(axis=1, ddof=1) / np.sqrt(3)  # t of 0.975 with 2 degrees of freedom
    axes = figure.axes[0]
    line = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(line.get_xdata(), seeds.index / 1000)
    np.testing.assert_allclose(line.get_ydata(), seeds.mean(axis=1))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((seeds.mean(axis=1) + half).max(), rel=1e-5)
    assert band.min() == pytest.approx((seeds.mean(axis=1) - half).min(), rel=1e-5)
    assert band.max() > 100  # else this does not show that nothing is clipped


def test_what_a_reader_must_know_is_in_the_figure(results: Path):
    note = curves_of(results)[0]._supxlabel.get_text()
    for words in (
        "over 3 seeds, 20 episodes",
        "Generated data, not D4RL",
        "Gaussian BC on Medium (1 of 3)",
    ):
        assert words in " ".join(note.split())


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
    flat = [line for line in axes.lines if set(line.get_ydata(orig=False)) == {level}]
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


def test_the_rule_of_a_figure_that_shows_one_is_named_with_its_exceptions(results: Path):
    study = read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    figures = (figure_nfe.draw(scores, study), figure_profiles.draw(scores, study), curves_of(results)[0])
    for figure in figures:
        note = " ".join(figure._supxlabel.get_text().split())
        assert "Acting: one sample (deterministic: Gaussian BC)." in note


def test_one_seed_has_lines_without_intervals(tmp_path: Path):
    write_study(tmp_path, seeds=1, tasks={"pointmaze-umaze": "U-Maze"}, episodes=3)
    study = read_study(tmp_path / "study.json")
    scores = seed_scores(read_results(tmp_path / "scores.csv", "scores"), study, "scores.csv")
    figure = figure_nfe.draw(scores, study)
    assert not figure.axes[0].patches
    assert "One seed, so no interval" in figure._supxlabel.get_text()
    save_figure(figure, tmp_path / "nfe.pdf", tmp_path / "nfe.png")


def speed_of(results: Path, **changes) -> tuple[Figure, pd.DataFrame, pd.DataFrame]:
    """The figure of times with its two tables."""
    study = replace(read_study(results / "study.json"), **changes)
    scores, costs = (read_results(results / f"{name}.csv", name) for name in ("scores", "cost"))
    acting = acting_costs(costs, study, "cost.csv")
    return figure_speed.draw(seed_scores(scores, study, "scores.csv"), acting, study), scores, costs


def test_speed_has_a_point_for_each_k_with_intervals_on_both_axes(results: Path):
    figure, scores, costs = speed_of(results)
    axes = figure.axes[0]
    gtp, best, *_, bc = axes.containers
    own = costs[
        (costs["task"] == "pointmaze-umaze") & (costs["method"] == "gtp") & (costs["batch_size"] == 1)
    ]
    own = own[own["acting"] == "sample"]
    assert best[0].get_color() == gtp[0].get_color()  # the second rule of the same method
    assert (best[0].get_xdata(orig=False) > gtp[0].get_xdata(orig=False)).all()
    logs = np.log(1e3 * own.set_index(["nfe", "repetition"])["value"].unstack())
    np.testing.assert_allclose(gtp[0].get_xdata(orig=False), np.exp(logs.mean(axis=1)))
    half = 2.776445 * logs.std(axis=1, ddof=1) / np.sqrt(5)  # t of 0.975 with 4 degrees of freedom
    across, upright = (bars.get_segments() for bars in gtp[2])
    low, high = np.array([segment[:, 0] for segment in across]).T
    np.testing.assert_allclose(low, np.exp(logs.mean(axis=1) - half), rtol=1e-6)
    np.testing.assert_allclose(high, np.exp(logs.mean(axis=1) + half), rtol=1e-6)
    rows = scores[(scores["task"] == "pointmaze-umaze") & (scores["method"] == "gtp")]
    rows = rows[rows["acting"] == "sample"]
    seeds = rows.groupby(["nfe", "seed"])["normalized_score"].mean().unstack()
    np.testing.assert_allclose(gtp[0].get_ydata(orig=False), seeds.mean(axis=1))
    half = 4.302653 * seeds.std(axis=1, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose([part[1, 1] - part[0, 1] for part in upright], 2 * half, rtol=1e-5)
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "5", "8"]  # beside the first method
    assert len(bc[0].get_xdata(orig=False)) == 1  # Gaussian BC has one K
    assert axes.get_xscale() == "log"


def test_points_of_further_rules_have_rings_also_those_of_hollow_ablations(results: Path):
    figure, *_ = speed_of(results)
    _, best, _, _, hollow_best, _ = figure.axes[0].containers  # two rules, one, two, one
    ringed = [
        (line.get_xdata(orig=False), line.get_ydata(orig=False), line.get_markeredgecolor())
        for line in figure.axes[0].lines
        if line.get_marker() == "o" and line.get_markerfacecolor() == "none"
    ]
    assert len(ringed) == 2
    for (x, y, color), (points, _, _) in zip(ringed, (best, hollow_best), strict=True):
        np.testing.assert_array_equal(x, points.get_xdata(orig=False))
        np.testing.assert_array_equal(y, points.get_ydata(orig=False))
        assert color == points.get_color()
    note = " ".join(figure._supxlabel.get_text().split())
    assert "as in the legend: one sample, or the method's one way of acting; in a circle: best of 16." in note


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.17, 9.0), ["0.2", "0.5", "1", "2", "5"]),  # 1 alone would give no scale
        ((0.9, 25.0), ["1", "2", "5", "10", "20"]),
        ((0.05, 30.0), ["0.1", "1", "10"]),
    ],
)
def test_an_axis_of_times_has_two_numbers_or_more(limits, labels):
    axes = Figure().subplots()
    figure_speed.set_times(axes, *limits)
    assert [text.get_text() for text in axes.get_xticklabels()] == labels


def test_times_of_a_task_are_those_of_its_suite(results: Path):
    figure, _, costs = speed_of(results)
    umaze, medium, hopper = (axes.containers[0][0].get_xdata(orig=False) for axes in figure.axes)
    np.testing.assert_array_equal(umaze, medium)  # measured on the first of them
    assert not np.allclose(umaze, hopper)
    note = " ".join(figure._supxlabel.get_text().split())
    assert "one observation, on cpu, geometric mean and 95 % $t$ interval over 5 rounds" in note
    assert "measured on U-Maze, Hopper" in note
    assert "over 3 seeds, 8 episodes" in note
    study = read_study(results / "study.json")
    lost = costs[costs["task"] != "hopper-medium-replay"]
    with pytest.raises(UserError, match="cost.csv has no row of the suite locomotion"):
        acting_costs(lost, study, "cost.csv").measured_on(study, "locomotion")
    with pytest.raises(UserError, match="cost.csv has no row of seconds_per_action"):
        acting_costs(costs[costs["quantity"] == "parameters"], study, "cost.csv")


def test_rows_of_a_task_share_their_limits(tmp_path: Path):
    tasks = {"hopper-medium": "Hopper", "pointmaze-umaze": "U-Maze"}
    folder = write_study(tmp_path / "study", tasks=tasks, methods=13, seeds=2, episodes=2)
    study = read_study(folder / "study.json")
    scores = seed_scores(read_results(folder / "scores.csv", "scores"), study, "s.csv")
    curves = seed_scores(read_results(folder / "curves.csv", "curves"), study, "c.csv")
    for figure in (
        speed_of(folder)[0],
        figure_nfe.draw(scores, study),
        figure_learning_curves.draw(curves, study),
    ):
        assert len(figure.axes) == 3 * 2  # with rewards, cloning, ablations
        for column in range(2):
            own = figure.axes[column::2]
            assert len({axes.get_xlim() for axes in own}) == 1
            assert len({axes.get_ylim() for axes in own}) == 1
        assert len(figure.legends[0].get_texts()) == 13


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
    assert "too narrow with few seeds" in " ".join(figure._supxlabel.get_text().split())


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
        "curves": figure_learning_curves.draw(curves, study),
    }
    for name, figure in figures.items():
        assert len(figure.axes) == 1
        assert len(figure.legends[0].get_texts()) == len(methods)
        save_figure(figure, tmp_path / f"{name}.png")


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


def test_density_is_a_share_with_its_corner_at_the_smallest_x_and_y(results: Path):
    maze = maze_of(read_results(results / "mazes.csv", "mazes"), "pointmaze-umaze", "mazes.csv")
    coverage = pd.DataFrame(
        {
            "task": "pointmaze-umaze",
            "x": [0.125, 0.375, 0.875],
            "y": [0.125, 0.125, 0.625],
            "count": [1, 2, 5],
        }
    )
    image, extent = figure_coverage.density(coverage, "pointmaze-umaze", maze, "coverage.csv")
    assert extent == (0.0, 1.0, 0.0, 0.75)
    assert image.shape == (3, 4)
    assert np.nansum(image) / 16 == pytest.approx(1.0)  # 16 bins in a cell
    assert image[0, 0] == 2.0
    assert image[2, 3] == 10.0
    assert np.isnan(image[1, 1])


def test_outline_of_a_corridor(results: Path):
    maze = maze_of(read_results(results / "mazes.csv", "mazes"), "pointmaze-umaze", "mazes.csv")
    edges = maze.outline()
    assert edges.shape == (16, 2, 2)  # around the seven cells of the U
    np.testing.assert_allclose(np.abs(edges[:, 0] - edges[:, 1]).sum(axis=1), 1.0)
    assert set(np.abs(edges).ravel()) == {0.5, 1.5}


def test_rollouts_tell_success_without_colour(results: Path):
    rollouts = read_results(results / "rollouts.csv", "rollouts")
    files = "rollouts.csv", "mazes.csv"
    figure = figure_rollouts.draw(
        rollouts, read_results(results / "mazes.csv", "mazes"), read_study(results / "study.json"), files
    )
    axes = figure.axes[1]
    own = rollouts[(rollouts["task"] == "pointmaze-umaze") & (rollouts["method"] == "gtp-no_guidance")]
    outcomes = own.groupby(["seed", "episode"])["success"].first()
    reached = int(outcomes.sum())
    assert 0 < reached < 15
    assert axes.get_title() == "GTP, no guidance"
    assert axes.get_xlabel() == f"{reached} of 15"
    paths = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert [line.is_dashed() for line in paths].count(False) == reached
    assert sum(line.get_marker() == "x" for line in axes.lines) == 15 - reached


def test_rollouts_mark_where_seeds_are_missing(results: Path):
    # A diverged seed leaves no path, and a count over the others alone would flatter its method.
    rollouts = read_results(results / "rollouts.csv", "rollouts")
    mazes, study = read_results(results / "mazes.csv", "mazes"), read_study(results / "study.json")
    lost = (rollouts["task"] == "pointmaze-umaze") & (rollouts["method"] == "gtp") & (rollouts["seed"] == 1)
    figure = figure_rollouts.draw(rollouts[~lost], mazes, study, ("rollouts.csv", "mazes.csv"))
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert [label.endswith("of 10†") for label in labels] == [True] + [False] * (len(labels) - 1)
    assert any(text.get_text().startswith("† Without the seeds that diverged.") for text in figure.texts)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    """A study of point mazes, robots and ant mazes, its suites not in the order of their names."""
    tasks = dict(reversed(MAZE_TASKS.items())) | LOCOMOTION_TASKS | ANTMAZE_TASKS
    return write_study(tmp_path_factory.mktemp("mixed") / "study", tasks=tasks, seeds=1, episodes=1)


@pytest.mark.parametrize("name", ["coverage", "rollouts"])
def test_mazes_of_each_suite_stand_together_and_apart_from_each_other(name: str, mixed: Path):
    draw = {"coverage": figure_coverage.draw, "rollouts": figure_rollouts.draw}[name]
    files = f"{name}.csv", "mazes.csv"
    rows, mazes = (read_results(mixed / file, file.removesuffix(".csv")) for file in files)
    figure = draw(rows, mazes, read_study(mixed / "study.json"), files)
    assert figure.get_figwidth() <= 6.75 + 1e-9
    assert figure.get_figheight() <= 8.5 + 1e-9
    suites = [text for text in figure.texts if text.get_text() in ("pointmaze", "antmaze", "locomotion")]
    assert [text.get_text() for text in suites] == ["pointmaze", "antmaze"]
    assert suites[0].get_position()[1] > suites[1].get_position()[1]
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == (10 if name == "coverage" else 9 * 4)  # nine mazes and a scale, or four methods
    assert all(box.x0 > suites[0].get_position()[0] and box.y0 > 0 for box in boxes)
    assert all(box.x1 <= 1 and box.y1 <= 1 for box in boxes)
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second)
    # The lines beside the names cover the rows of their suite and no others.
    spans = [sorted(line.get_ydata()) for line in figure.artists]
    first = [sum(low - 1e-6 < box.y0 and box.y1 < high + 1e-6 for box in boxes) for low, high in spans]
    assert first == ([3 + 1, 6] if name == "coverage" else [3 * 4, 6 * 4])


def test_figures_speak_of_the_data_that_they_show(mixed: Path):
    study = read_study(mixed / "study.json")
    sources = {"pointmaze": "generate", "antmaze": "generate", "locomotion": "minari"}
    study = replace(study, tasks=tuple(replace(task, source=sources[task.suite]) for task in study.tasks))

    def read(*names):
        return [read_results(mixed / f"{name}.csv", name) for name in names]

    mazes = figure_coverage.draw(*read("coverage", "mazes"), study, ("c.csv", "m.csv"))
    assert mazes.texts[-1].get_text() == "Generated data, not D4RL."
    robots = figure_returns.draw(*read("episodes"), study, "e.csv")
    assert robots._supxlabel.get_text().endswith("Minari data, not D4RL.")
    flow = figure_flow_map.draw(*read("flow_map"), study, "f.csv")
    assert flow._supxlabel.get_text() == "One state of Medium. Generated data, not D4RL."


def test_mazes_of_one_shape_are_drawn_at_one_size_whatever_their_cells(mixed: Path):
    files = "coverage.csv", "mazes.csv"
    rows, mazes = (read_results(mixed / file, file.removesuffix(".csv")) for file in files)
    figure = figure_coverage.draw(rows, mazes, read_study(mixed / "study.json"), files)
    sizes = {axes.get_title(): axes.get_position().size for axes in figure.axes}
    np.testing.assert_allclose(sizes["Large"], sizes["AntMaze Large play"])
    views = {axes.get_title(): np.ptp(axes.get_xlim()) for axes in figure.axes}
    assert views["AntMaze Large play"] == 4 * views["Large"]


def test_returns_are_shares_in_bins_that_a_robot_shares(mixed: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    figure = figure_returns.draw(table, study, "episodes.csv")
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
    figure = figure_returns.draw(table, study, "episodes.csv")
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
    note = " ".join(figure._supxlabel.get_text().split())
    assert note.startswith("Scores are 0 at a random policy's return and 100 at the shipped expert's")


def test_rows_of_returns_follow_the_environments():
    def names(*pairs):
        tasks = [SimpleNamespace(name=name, environment=environment) for name, environment in pairs]
        return [[task.name for task in row] for row in figure_returns.rows_of(tasks)]

    assert names(("a", "x"), ("b", "y"), ("c", "x")) == [["a", "c"], ["b"]]
    assert names(("a", "x"), ("b", "y")) == [["a", "b"]]
    assert names(*((str(i), "x") for i in range(5))) == [["0", "1", "2", "3"], ["4"]]


def test_returns_of_several_suites_are_named(mixed: Path, tmp_path: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    robots = [task for task in study.tasks if task.maze is None]
    tasks = (robots[0], *(replace(task, suite="others") for task in robots[3:]))
    figure = figure_returns.draw(table, replace(study, tasks=tasks), "episodes.csv")
    assert [part._suptitle.get_text() for part in figure.subfigs] == ["locomotion", "others"]
    assert len(figure.axes) == 7
    save_figure(figure, tmp_path / "returns.png")


def test_returns_need_tasks_without_mazes_and_their_episodes(mixed: Path):
    study, table = read_study(mixed / "study.json"), read_results(mixed / "episodes.csv", "episodes")
    with pytest.raises(UserError, match="e.csv has no rows for halfcheetah-medium in the column 'task'"):
        figure_returns.draw(table[table["task"] != "halfcheetah-medium"], study, "e.csv")
    mazes = replace(study, tasks=tuple(task for task in study.tasks if task.maze))
    with pytest.raises(UserError, match="study study has no task without a maze"):
        figure_returns.draw(table, mazes, "e.csv")


@pytest.mark.parametrize("methods", [1, 4, 13])
@pytest.mark.parametrize("mazes", [1, 3, 9])
def test_rollouts_fit_a_page(methods: int, mazes: int):
    maze = SimpleNamespace(aspect=1.0)
    names = [SimpleNamespace(name=str(i), label="GTP, negative advantages truncated") for i in range(methods)]
    layout = figure_rollouts.choose_layout(names, mazes)
    assert sum(map(len, layout.groups)) == methods
    assert layout.width > 0.3
    assert layout.total([maze] * mazes) <= 8.5 + 1e-9


@pytest.mark.parametrize("name", INPUTS)
def test_a_missing_table_is_one_line(name: str, results: Path, tmp_path: Path):
    (tmp_path / "study.json").write_text((results / "study.json").read_text())
    with pytest.raises(SystemExit) as error:
        run_script(name, tmp_path, tmp_path)
    message = str(error.value)
    assert message.startswith("error: ")
    assert f"{INPUTS[name][0]}.csv" in message
    assert "\n" not in message
    assert not list(tmp_path.glob("*.p*"))


def test_tasks_without_mazes_or_methods_without_rows_are_named(results: Path):
    study, mazes = read_study(results / "study.json"), read_results(results / "mazes.csv", "mazes")
    with pytest.raises(UserError, match="cover.csv has no rows for pointmaze-umaze in the column 'task'"):
        figure_coverage.draw(pd.DataFrame({"task": ["x"], "x": [0]}), mazes, study, ("cover.csv", "m.csv"))
    with pytest.raises(UserError, match="m.csv has no goal for pointmaze-umaze in the column 'kind'"):
        figure_rollouts.draw(mazes, mazes[mazes["kind"] != "goal"], study, ("r.csv", "m.csv"))
    curves = read_results(results / "curves.csv", "curves")
    scores = seed_scores(curves[curves["method"] != "gtp"], study, "c.csv")
    with pytest.raises(UserError, match="c.csv has no rows for gtp on pointmaze-umaze"):
        figure_learning_curves.draw(scores, study)
