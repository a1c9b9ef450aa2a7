"""The costs against cells worked by hand, and measurements that are refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gtp.errors import UserError
from gtp.report.record import StudyRecord
from workflow.scripts.table_cost import cost_table, significant

from .table_fixtures import make_study, task, texts


def make_costs(study: StudyRecord, on: str = "near") -> pd.DataFrame:
    rows = []
    for by in study.methods:
        blank = dict.fromkeys(["nfe", "batch_size", "repetition"])
        about = {"task": on, "method": by.name, "device": "cuda", "acting": "", **blank}
        for quantity, value in {
            "parameters": 1234567,
            "seed_updates_per_second": 98.765,
            "training_seconds": 3600.4,
            "compilation_seconds": 12.3,
            "peak_memory_mb": None,
        }.items():
            rows.append({**about, "quantity": quantity, "value": value})
        for nfe in study.evaluated_nfe(by):
            (rule,) = by.acting
            counted = {"quantity": "network_evaluations", "value": nfe, "device": "cpu"}
            rows.append({**about, **counted, "nfe": nfe, "acting": rule})
            for batch in (1, 64):
                for repetition, factor in enumerate((0.5, 2.0)):  # of geometric mean 1
                    value = factor * 0.00123 * nfe / batch
                    at = {"nfe": nfe, "acting": rule, "batch_size": batch, "repetition": repetition}
                    measured = {"quantity": "seconds_per_action", "value": value, "device": "cpu"}
                    rows.append({**about, **measured, **at})
    return pd.DataFrame(rows).astype(dict.fromkeys(["nfe", "batch_size", "repetition", "value"], float))


def test_cost_cells_by_hand():
    study = make_study()
    table, numbers = cost_table(make_costs(study), study, "cost.csv")
    assert table.headings == ("Quantity", "GTP", "GTP_less", "BC")
    first = ["Parameters", "Seed-updates per second", "Training (s)", "Peak memory (MB)", "Action (µs)"]
    assert [row.label for row in table.rows][:6] == [*first, "In detail"]
    assert texts(table, "Action (µs)") == ["6,150", "6,150", "1,230"]  # BC has one K
    assert texts(table, "Parameters") == ["1,234,567"] * 3
    assert texts(table, "Seed-updates per second") == ["98.8"] * 3
    assert texts(table, "Training (s)") == ["3,600"] * 3
    assert texts(table, "Peak memory (MB)") == ["–"] * 3
    assert texts(table, "Action, batch 1, K = 5, one sample (µs)") == ["6,150", "6,150", "–"]
    assert texts(table, "Action, batch 64, K = 1, one sample (µs)") == ["19.2"] * 3
    assert texts(table, "Device of training") == ["cuda"] * 3
    assert texts(table, "Device of acting") == ["cpu"] * 3
    assert "Measured on Near." in table.caption
    row = numbers.query("method == 'gtp' and nfe == 5 and batch_size == 64").iloc[0]
    assert row["value"] == pytest.approx(0.00123 * 5 / 64)
    # Logarithms of 1/2 and 2 have the standard deviation sqrt(2) ln 2, the mean of two of them ln 2.
    spread = np.exp(stats.t.ppf(0.975, 1) * np.log(2.0))
    assert row["high"] == pytest.approx(spread * row["value"])
    assert row["low"] == pytest.approx(row["value"] / spread)
    assert row["repetitions"] == 2
    assert "geometric mean of 2 rounds" in table.caption
    training = make_costs(study)["repetition"].isna().sum()
    assert len(numbers) == training + 2 * (2 + 2 + 1)  # batch sizes, and K of the three methods
    assert texts(table, "Network evaluations, K = 5, one sample") == ["5", "5", "–"]


def test_costs_from_before_times_were_repeated_have_no_interval():
    study = make_study()
    costs = make_costs(study)
    costs = costs[costs["repetition"] != 1].assign(repetition=np.nan)
    table, numbers = cost_table(costs, study, "cost.csv")
    assert texts(table, "Action, batch 1, K = 1, one sample (µs)") == ["615"] * 3
    assert numbers["low"].isna().all()
    assert "rounds" not in table.caption


def test_times_at_numbers_of_evaluations_that_are_not_scored_are_shown():
    study = make_study()
    costs = make_costs(study)
    more = costs[(costs["nfe"] == 5)].assign(nfe=8.0)
    table, _ = cost_table(pd.concat([costs, more]), study, "cost.csv")
    assert texts(table, "Action, batch 1, K = 8, one sample (µs)") == ["6,150", "6,150", "–"]
    table, _ = cost_table(pd.concat([costs, more[more["method"] == "gtp"]]), study, "cost.csv")
    assert texts(table, "Action, batch 1, K = 8, one sample (µs)") == ["6,150", "–", "–"]


def test_costs_of_several_suites_stand_below_each_other():
    study = make_study(tasks=(task("near", "maze"), task("far", "walking")))
    costs = pd.concat([make_costs(study, "near"), make_costs(study, "far")])
    table, _ = cost_table(costs, study, "cost.csv")
    groups = [row.label for row in table.rows if not row.cells]
    assert groups == ["maze, measured on Near", "In detail", "walking, measured on Far", "In detail"]
    with pytest.raises(UserError, match="cost.csv.*suite walking"):
        cost_table(make_costs(study, "near"), study, "cost.csv")


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("quantity == 'parameters'", "cost.csv, near: parameters of gtp .*run snakemake"),
        (
            "nfe == 5 and batch_size == 64",
            "cost.csv, near: seconds_per_action of gtp .*5.*64",
        ),
    ],
)
def test_missing_measurements_are_refused(lost, message):
    study = make_study()
    with pytest.raises(UserError, match=message):
        cost_table(make_costs(study).query(f"not ({lost})"), study, "cost.csv")


def test_a_measurement_that_stands_twice_is_refused():
    study = make_study()
    costs = make_costs(study)
    with pytest.raises(UserError, match="cost.csv.* parameters of gtp on near twice"):
        cost_table(pd.concat([costs, costs.iloc[:1]]), study, "cost.csv")
    acting = costs[costs["quantity"] == "seconds_per_action"]
    with pytest.raises(UserError, match="cost.csv.* seconds_per_action of gtp on near twice"):
        cost_table(pd.concat([costs, acting.iloc[:1]]), study, "cost.csv")
    with pytest.raises(UserError, match="seconds_per_action of gtp on near"):
        cost_table(costs.assign(value=costs["value"].mask(costs["nfe"] == 5, 0.0)), study, "cost.csv")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.01234, "0.0123"), (1.235, "1.24"), (99.94, "99.9"), (12345.6, "12,346")],
)
def test_three_significant_digits(value, expected):
    assert significant(value) == expected
