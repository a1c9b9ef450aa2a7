"""The aggregates against values worked by hand."""

import pytest

from workflow.scripts.table_aggregates import aggregate_table

from .table_fixtures import make_scores, make_study, method, task


def test_aggregates_by_hand():
    study = make_study()
    table, numbers = aggregate_table(make_scores(study), study)
    assert table.headings == ("Method", "Mean", "GTP minus it", "IQM", "P(GTP better)")
    assert [row.cells[0].text.split(" ±")[0] for row in table.rows] == ["70.0", "50.0", "52.5"]
    # The middle four of six, as in the main table.
    assert [row.cells[2].text.split(" [")[0] for row in table.rows] == ["80.0", "50.0", "52.5"]
    # Near: 80 90 100 against 40 50 60 wins all nine pairs. Far: 60 and 90 win against 50, 0 loses: 6 of 9.
    # Against BC: 90 and 100 win against 85, 80 does not, 6 of 9; on Far 60 and 90 win against 20, again 6.
    chances = numbers.query("statistic == 'probability_of_improvement'").set_index("method")["estimate"]
    assert chances["gtp-less"] == pytest.approx((1 + 6 / 9) / 2)
    assert chances["bc"] == pytest.approx(6 / 9)
    assert "gtp" not in chances
    assert list(numbers["acting"].groupby(numbers["method"]).first()[["gtp", "bc"]]) == [
        "sample",
        "deterministic",
    ]
    assert [row.cells[3].text[:4] for row in table.rows] == ["–", "0.83", "0.67"]
    assert set(numbers.query("better != ''")["better"]) == {"gtp"}


def test_a_difference_is_bold_when_its_interval_does_not_hold_0_and_no_bootstrap_is():
    study = make_study(tasks=(task("near"),))
    table, numbers = aggregate_table(make_scores(study), study)
    # Against the ablation GTP wins every pair of every draw, which leaves an interval without width.
    assert table.rows[1].cells[3].text == "1.00"
    assert numbers.query("statistic == 'probability_of_improvement'").iloc[0]["low"] != 1.0
    assert not any(row.cells[3].bold for row in table.rows)
    # 90 - 50 is 40 ± 22.7 (Welch, 4 degrees of freedom), 90 - 85 is 5 ± 24.8.
    assert [row.cells[1].text for row in table.rows] == ["–", "+40.0 ± 22.7", "+5.0 ± 24.8"]
    assert [row.cells[1].bold for row in table.rows] == [False, True, False]


def test_aggregates_of_two_sources_stand_below_each_other():
    study = make_study(tasks=(task("near", "maze"), task("far", "walking", source="d4rl")))
    table, numbers = aggregate_table(make_scores(study), study)
    labels = ["GTP", "GTP_less", "BC"]
    assert [row.label for row in table.rows] == ["maze", *labels, "walking", *labels]
    assert set(numbers["over"]) == {"suite"}
    assert "since their data are of several sources" in table.caption


def test_aggregates_of_one_method_and_one_seed():
    study = make_study(seeds=(0,), methods=(method("gtp", "GTP"),))
    table, _ = aggregate_table(make_scores(study), study)
    assert [cell.text for cell in table.rows[0].cells] == ["70.0", "–", "70.0", "–"]
