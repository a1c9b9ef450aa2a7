"""The fit of `make growth`, on costs whose growth is known, and the page that it writes."""

import pytest

from tests.growth.fit import exponent
from tests.growth.run import Growth, draw, page_of

SIZES = (1, 2, 4, 8, 16)


@pytest.mark.parametrize(("base", "power"), [(0.0, 1.0), (5.0, 1.0), (0.5, 2.0), (100.0, 0.5)])
def test_a_constant_and_an_exponent_are_found(base, power):
    found = exponent(SIZES, [base + 3 * size**power for size in SIZES])
    assert found == pytest.approx((power, base), abs=0.03 * max(1.0, base))


@pytest.mark.parametrize("costs", [[2.0] * 5, [2.1, 2.2, 1.9, 1.9, 1.9]])
def test_what_does_not_grow_is_a_constant(costs):
    power, base = exponent(SIZES, costs)
    assert base == pytest.approx(2.0, abs=0.02)
    assert power == 0.0


def test_the_page_has_a_table_and_a_figure_for_each_cause(tmp_path):
    measured = [
        Growth("seeds", SIZES, {"update": (0.01, 0.02, 0.04, 0.08, 0.16), "memory": (400.0,) * 5}),
        Growth("tasks", SIZES, {"table scores": (1.0, 2.0, 3.0, 5.0, 9.0)}),
    ]
    draw(measured, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").read_text(encoding="utf-8").count('id="axes_') == len(measured)
    page = page_of(measured, "growth.svg")
    assert "| update | 10 ms | 20 ms | 40 ms | 80 ms | 0.16 s | 1.00 |" in page
    assert "| memory | 400 MB | 400 MB | 400 MB | 400 MB | 400 MB |" in page
    assert "](growth.svg)" in page
