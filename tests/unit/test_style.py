"""Looks of methods: they differ in grey and for the colour blind, and follow the method."""

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gtp.report.results import read_study
from gtp.report.style import COLORED, COLORS, GREYS, method_styles, style_of

from .figure_fixtures import study_of


def test_looks_differ_without_colour():
    styles = list(method_styles(study_of(100)).values())
    assert len(set(styles)) == 100
    for first, second in combinations(styles[:13], 2):
        assert first.marker != second.marker
    for first, second in combinations(styles[:4], 2):
        assert first.dashes != second.dashes
    for first, second in pairwise(GREYS):
        assert abs(lightness(first) - lightness(second)) > 8
    for first, second in pairwise(COLORS):
        assert abs(lightness(first) - lightness(second)) > 8


def test_ablations_look_like_no_other_method():
    styles = method_styles(study_of(30, 30))
    assert len(set(styles.values())) == 60
    ablations = [style for name, style in styles.items() if name.startswith("a")]
    assert all(style.hollow and style.dashes and style.color in GREYS for style in ablations)
    assert not any(style.hollow for name, style in styles.items() if not name.startswith("a"))
    assert ablations[0].line()["markerfacecolor"] == "white"
    assert style_of(0, False).line()["markerfacecolor"] == COLORS[0]


def test_a_few_methods_have_colours_and_all_others_are_grey_and_thin(results: Path):
    study = read_study(results / "study.json")
    styles = method_styles(study, ["other"])
    assert styles["gtp"].color == COLORED["gtp"]
    assert {name for name, style in styles.items() if style.color in GREYS} == {*styles} - {*COLORED}
    assert styles["gtp"].line()["linewidth"] > styles["gaussian_bc"].line()["linewidth"]
    large = replace(study.methods[0], name="gtp-large", size_of="gtp", order=9)
    assert method_styles(replace(study, methods=(large,)))["gtp-large"].color == COLORED["gtp"]
    for first, second in combinations([to_rgb(color) for color in COLORED.values()], 2):
        assert first != second


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
