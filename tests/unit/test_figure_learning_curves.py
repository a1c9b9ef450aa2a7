"""The figure of learning curves."""

from pathlib import Path

import numpy as np
import pytest

from .figure_fixtures import curves_of


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
