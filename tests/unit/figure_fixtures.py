"""Figures of the small study, drawn from its files."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from matplotlib.figure import Figure

from gtp.report.results import read_results, read_study
from gtp.report.speed import acting_costs
from gtp.report.statistics import seed_scores
from workflow.scripts import (
    figure_learning_curves,
    figure_speed,
)


def study_of(mains: int, ablations: int = 0) -> SimpleNamespace:
    """A study with so many methods in their places of the methods file."""
    kinds = [(None, i) for i in range(mains)] + [("0", i) for i in range(ablations)]
    return SimpleNamespace(
        methods=[
            SimpleNamespace(
                size_of=None,
                name=f"{'a' if parent else ''}{place}",
                order=place,
                ablation_of=parent,
                group="rl",
                label="M",
            )
            for parent, place in kinds
        ]
    )


def curves_of(results: Path) -> tuple[Figure, pd.DataFrame]:
    study = read_study(results / "study.json")
    table, last = (read_results(results / f"{name}.csv", name) for name in ("curves", "scores"))
    scores = [seed_scores(rows, study, "curves.csv") for rows in (table, last)]
    return figure_learning_curves.draw(*scores, study), table


def speed_of(results: Path, **changes) -> tuple[Figure, pd.DataFrame, pd.DataFrame]:
    """The figure of times with its two tables."""
    study = replace(read_study(results / "study.json"), **changes)
    scores, costs = (read_results(results / f"{name}.csv", name) for name in ("scores", "cost"))
    acting = acting_costs(costs, study, "cost.csv")
    return figure_speed.draw(seed_scores(scores, study, "scores.csv"), acting, study), scores, costs


def note_of(figure: Figure) -> str:
    """The footnote of a figure in one line."""
    return " ".join(figure.get_supxlabel().split())
