"""Film: the trained policies on their way through the mazes, all drawn episodes of a method at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from PIL import Image

from gtp.errors import UserError, ending_in_one_line
from gtp.files import write_atomically
from gtp.report.record import StudyRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.rollouts import draw, draw_paths
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.style import MethodStyle, house_style

FRAMES = 50
"""Pictures on the way from the start to the end of the longest episode."""
SECONDS, REST = 0.1, 3.0
"""How long each is shown, and the last one, the figure itself."""
DPI, COLORS = 150, 64


@dataclass(frozen=True)
class Walker:
    """An episode: its way so far, and where it is."""

    x: np.ndarray
    y: np.ndarray
    trail: Line2D
    head: Line2D

    def go_to(self, step: int) -> None:
        """Show the state after `step` decisions; one that has ended stays where it is."""
        end = min(step + 1, len(self.x))
        self.trail.set_data(self.x[:end], self.y[:end])
        self.head.set_data(self.x[end - 1 : end], self.y[end - 1 : end])


@house_style()
def film(
    rollouts: pd.DataFrame,
    mazes: pd.DataFrame,
    scores: SeedScores,
    study: StudyRecord,
    files: tuple[str, str],
) -> Iterator[Image.Image]:
    """The pictures, the last of which is the figure of rollouts; `files` name the inputs in messages.

    Raises: UserError when there is no path, or as the figure does.
    """
    if rollouts.empty:
        raise UserError(f"{files[0]} has no path; {REMEDY}")
    panels: list[tuple[Axes, pd.DataFrame, MethodStyle]] = []
    figure = draw(rollouts, mazes, scores, study, files, lambda *panel: panels.append(panel))
    canvas = FigureCanvasAgg(figure)
    walkers = [walker for panel in panels for walker in walkers_of(*panel)]
    for step in np.linspace(0, rollouts["step"].max(), FRAMES).astype(int):
        for walker in walkers:
            walker.go_to(step)
        yield picture_of(canvas)
    for walker in walkers:
        walker.trail.remove()
        walker.head.remove()
    for panel in panels:
        draw_paths(*panel)
    yield picture_of(canvas)


def walkers_of(axes: Axes, paths: pd.DataFrame, look: MethodStyle) -> Iterator[Walker]:
    """The episodes of a method in one maze; that one will fail is not told before the end."""
    for _, path in paths.sort_values("step").groupby(["seed", "episode"]):
        (trail,) = axes.plot([], [], color=look.color, linewidth=0.8, alpha=0.5, zorder=4)
        (head,) = axes.plot([], [], color=look.color, marker="o", markersize=2.5, zorder=6)
        yield Walker(path["x"].to_numpy(), path["y"].to_numpy(), trail, head)


def picture_of(canvas: FigureCanvasAgg) -> Image.Image:
    """The figure as it is now."""
    canvas.figure.set_dpi(DPI)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(COLORS)


def save_film(pictures: Iterator[Image.Image], path: Path) -> None:
    """Write the pictures as a GIF that begins anew at its end. Raises UserError when it cannot be written."""
    first, *others = pictures
    shown = [round(1000 * SECONDS)] * len(others) + [round(1000 * REST)]
    save = partial(first.save, format="GIF", save_all=True, append_images=others, duration=shown, loop=0)
    write_atomically(path, save)


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        files = snakemake.input.rollouts, snakemake.input.mazes
        tables = (read_results(file, Path(file).stem) for file in files)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_film(film(*tables, scores, study, files), Path(snakemake.output[0]))
