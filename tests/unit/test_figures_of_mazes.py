"""The figures that draw mazes: coverage and rollouts."""

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from gtp.errors import UserError
from gtp.report import rollouts as rollouts_figure
from gtp.report.mazes import maze_of
from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores
from gtp.report.style import style_of
from workflow.scripts import (
    figure_coverage,
    figure_dataset_returns,
    figure_learning_curves,
    figure_trajectories,
    film_rollouts,
)

from .figure_fixtures import note_of


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
    study = read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    figure = rollouts_figure.draw(
        rollouts, read_results(results / "mazes.csv", "mazes"), scores, study, files
    )
    axes = figure.axes[1]
    own = rollouts[(rollouts["task"] == "pointmaze-umaze") & (rollouts["method"] == "gtp-no_guidance")]
    outcomes = own.groupby(["seed", "episode"])["success"].first()
    reached = int(outcomes.sum())
    assert 0 < reached < 15
    assert axes.get_title() == "GTP, no guidance"
    rate = scores.of("pointmaze-umaze", "gtp-no_guidance", 5).mean()  # of all episodes, not of those drawn
    assert axes.get_xlabel() == f"{rate:.0f} %"
    paths = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert [line.is_dashed() for line in paths].count(False) == reached
    assert sum(line.get_marker() == "x" for line in axes.lines) == 15 - reached


def test_a_film_follows_every_path_and_ends_with_the_figure(results: Path, tmp_path):
    rollouts = read_results(results / "rollouts.csv", "rollouts").query("seed == 0")
    mazes, study = read_results(results / "mazes.csv", "mazes"), read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    files = "rollouts.csv", "mazes.csv"
    film_rollouts.save_film(film_rollouts.film(rollouts, mazes, scores, study, files), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as film:
        pictures = [np.asarray(frame.convert("L"), dtype=float) for frame in ImageSequence.Iterator(film)]
        assert film.info["loop"] == 0
    assert len(pictures) > 20
    changed = [(first != second).any() for first, second in pairwise(pictures)]
    assert changed[0]
    assert changed[-1]
    canvas = FigureCanvasAgg(rollouts_figure.draw(rollouts, mazes, scores, study, files))
    still = np.asarray(film_rollouts.picture_of(canvas).convert("L"), dtype=float)
    assert np.abs(still - pictures[-1]).mean() < 1  # of 255 shades
    assert np.abs(still - pictures[0]).mean() > 1


def test_a_walker_stays_where_its_episode_ended():
    axes = Figure().add_subplot()
    path = pd.DataFrame({"seed": 0, "episode": 0, "step": [1, 0, 2], "x": [1.0, 0.0, 2.0], "y": 5.0})
    (walker,) = film_rollouts.walkers_of(axes, path, style_of(0, False))
    walker.go_to(1)
    assert walker.trail.get_xdata().tolist() == [0.0, 1.0]
    assert walker.head.get_xdata().tolist() == [1.0]
    walker.go_to(9)
    assert walker.trail.get_xdata().tolist() == [0.0, 1.0, 2.0]
    assert walker.head.get_xdata().tolist() == [2.0]


def test_a_film_of_no_path_is_refused(results: Path):
    mazes, study = read_results(results / "mazes.csv", "mazes"), read_study(results / "study.json")
    with pytest.raises(UserError, match=r"^rollouts.csv has no path"):
        list(film_rollouts.film(pd.DataFrame(), mazes, None, study, ("rollouts.csv", "mazes.csv")))


def test_rollouts_mark_where_seeds_diverged(results: Path):
    # Gaussian BC on the second maze; a rate over the other seeds alone would flatter it.
    rollouts = read_results(results / "rollouts.csv", "rollouts")
    mazes, study = read_results(results / "mazes.csv", "mazes"), read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    figure = rollouts_figure.draw(rollouts, mazes, scores, study, ("rollouts.csv", "mazes.csv"))
    marked = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel().endswith("†")]
    assert marked == [f"{scores.of('pointmaze-medium', 'gaussian_bc', 1).mean():.0f} %†"]
    assert any("† Seeds that diverged have no path and count as 0." in t.get_text() for t in figure.texts)


@pytest.mark.parametrize("name", ["coverage", "rollouts"])
def test_mazes_of_each_suite_stand_together_and_apart_from_each_other(name: str, mixed: Path):
    files, study = (f"{name}.csv", "mazes.csv"), read_study(mixed / "study.json")
    rows, mazes = (read_results(mixed / file, file.removesuffix(".csv")) for file in files)
    if name == "coverage":
        figure = figure_coverage.draw(rows, mazes, study, files)
    else:
        scores = seed_scores(read_results(mixed / "scores.csv", "scores"), study, "scores.csv")
        figure = rollouts_figure.draw(rows, mazes, scores, study, files)
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
    robots = figure_dataset_returns.draw(*read("episodes"), study, "e.csv")
    assert note_of(robots).endswith("Minari data, not D4RL.")
    flow = figure_trajectories.draw(*read("trajectories"), study, "f.csv")
    assert note_of(flow).startswith("One state of Medium. Above: 24 paths from noise")
    assert note_of(flow).endswith("Generated data, not D4RL.")


def test_mazes_of_one_shape_are_drawn_at_one_size_whatever_their_cells(mixed: Path):
    files = "coverage.csv", "mazes.csv"
    rows, mazes = (read_results(mixed / file, file.removesuffix(".csv")) for file in files)
    figure = figure_coverage.draw(rows, mazes, read_study(mixed / "study.json"), files)
    sizes = {axes.get_title(): axes.get_position().size for axes in figure.axes}
    np.testing.assert_allclose(sizes["Large"], sizes["AntMaze Large play"])
    views = {axes.get_title(): np.ptp(axes.get_xlim()) for axes in figure.axes}
    assert views["AntMaze Large play"] == 4 * views["Large"]


@pytest.mark.parametrize("methods", [1, 4, 13])
@pytest.mark.parametrize("mazes", [1, 3, 9])
def test_rollouts_fit_a_page(methods: int, mazes: int):
    maze = SimpleNamespace(aspect=1.0)
    names = [SimpleNamespace(name=str(i), label="GTP, negative advantages truncated") for i in range(methods)]
    layout = rollouts_figure.choose_layout(names, mazes)
    assert sum(map(len, layout.groups)) == methods
    assert layout.width > 0.3
    assert layout.total([maze] * mazes) <= 8.5 + 1e-9


def test_tasks_without_mazes_or_methods_without_rows_are_named(results: Path):
    study, mazes = read_study(results / "study.json"), read_results(results / "mazes.csv", "mazes")
    with pytest.raises(UserError, match="cover.csv.*pointmaze-umaze.*'task'"):
        figure_coverage.draw(pd.DataFrame({"task": ["x"], "x": [0]}), mazes, study, ("cover.csv", "m.csv"))
    with pytest.raises(UserError, match="m.csv.*goal for pointmaze-umaze.*'kind'"):
        rollouts_figure.draw(mazes, mazes[mazes["kind"] != "goal"], None, study, ("r.csv", "m.csv"))
    curves = read_results(results / "curves.csv", "curves")
    scores = seed_scores(curves[curves["method"] != "gtp"], study, "c.csv")
    with pytest.raises(UserError, match="c.csv.*gtp on pointmaze-umaze"):
        figure_learning_curves.draw(scores, scores, study)
