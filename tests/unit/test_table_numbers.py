"""Numbers of tables for programs: the same bytes on every CPU, whose last digits differ."""

import pandas as pd
import pytest

from gtp.report.tables import Cell, Row, Table, write_table

TABLE = Table(("a",), (Row("b", (Cell("1"),)),), "Caption.", "tab:a")


@pytest.mark.parametrize("noise", [-3.1e-17, 0.0, 1.4e-16, 9e-13])
def test_what_is_zero_but_for_rounding_is_written_as_zero(noise, tmp_path):
    numbers = pd.DataFrame({"name": ["x", "y", "z"], "n": [0, 1, 2], "value": [noise, 3.05092e-8, -1.5]})
    paths = {kind: tmp_path / f"table.{kind}" for kind in ("md", "tex", "csv")}
    write_table(TABLE, numbers, **paths)
    assert paths["csv"].read_text() == "name,n,value\nx,0,0\ny,1,3.05092e-08\nz,2,-1.5\n"
    assert numbers["value"].iloc[0] == noise


def test_numbers_have_twelve_digits_and_gaps_stay_empty(tmp_path):
    numbers = pd.DataFrame({"value": [1.23456789012345, float("nan"), 1e-11]})
    paths = {kind: tmp_path / f"table.{kind}" for kind in ("md", "tex", "csv")}
    write_table(TABLE, numbers, **paths)
    assert paths["csv"].read_text() == 'value\n1.23456789012\n""\n1e-11\n'
