"""The tables in the form of the GTP paper's against cells worked by hand."""

from dataclasses import replace

import pytest

from gtp.errors import UserError
from gtp.report.spread import spread_of
from workflow.scripts.table_paper_components import components_table
from workflow.scripts.table_paper_scores import paper_table

from .table_fixtures import make_scores, make_study, task, texts
from .test_table_cost import make_costs


def test_seeds_are_averaged_over_tasks_before_their_spread_is_taken():
    spread = spread_of([[0.0, 10.0], [4.0, 6.0], [20.0, 22.0]])  # averages 5, 5, 21
    assert spread.text == "10.3 ± 9.2"  # sqrt((2 * 5.33^2 + 10.67^2) / 2)
    assert spread_of([[-0.04]]).text == "0.0"


def test_scores_have_the_deviation_between_seeds():
    study = make_study()
    table, numbers = paper_table(make_scores(study), study, "rl", "study.json")
    assert table.headings == ("Task", "GTP", "BC")  # ablations have a table of their own
    assert texts(table, "Near") == ["90.0 ± 10.0", "85.0 ± 0.0"]
    assert texts(table, "Far") == ["50.0 ± 45.8", "20.0 ± 0.0"]  # 60, a lost seed as 0, 90
    assert texts(table, "Average") == ["70.0 ± 25.0", "52.5 ± 0.0"]  # 70, 45, 95
    assert "Seeds that diverged count as 0" in table.caption
    assert "Table 2 of the GTP paper" in table.caption
    row = numbers.query("row == 'Average' and method == 'gtp'").iloc[0]
    assert (row["mean"], row["deviation"], row["nfe"]) == (70.0, 25.0, 5)


def test_cloning_keeps_the_ablation_that_clones():
    study = make_study()
    gtp, less, clone = study.methods
    clones = (gtp, replace(less, group="cloning"), replace(clone, group="cloning"))
    table, _ = paper_table(make_scores(study), replace(study, methods=clones), "cloning", "study.json")
    assert table.headings == ("Task", "GTP_less", "BC")
    assert "Table 1 of the GTP paper" in table.caption


def test_suites_are_averaged_apart_and_sources_never_together():
    tasks = (task("near"), task("far", suite="desert"))
    table, _ = paper_table(make_scores(make_study(tasks=tasks)), make_study(tasks=tasks), "rl", "study.json")
    assert [row.label for row in table.rows] == ["Near", "Far", "Average"]
    study = make_study(tasks=(task("near"), task("far", suite="desert", source="minari")))
    table, _ = paper_table(make_scores(study), study, "rl", "study.json")
    assert [row.label for row in table.rows] == ["Near", "Far"]


def test_components_have_scores_and_minutes_where_they_were_measured():
    study = make_study()
    table, numbers = components_table(make_scores(study), make_costs(study), study, "study.json")
    assert table.headings == ("Variant", "Near", "Far", "Minutes, Near")
    assert [row.label for row in table.rows] == ["GTP", "GTP_less"]  # BC has no ablation
    assert texts(table, "GTP") == ["90.0 ± 10.0", "50.0 ± 45.8", "59.8"]
    minutes = numbers.query("quantity == 'training_minutes'")
    assert minutes["value"].tolist() == pytest.approx([59.8017] * 2, abs=1e-4)
    unmeasured = make_costs(study).query("method != 'gtp-less'")
    table, _ = components_table(make_scores(study), unmeasured, study, "study.json")
    assert texts(table, "GTP_less")[-1] == "–"


def test_groups_and_families_without_methods_are_refused():
    study = make_study()
    with pytest.raises(UserError, match=r"^study.json has no method of the group cloning"):
        paper_table(make_scores(study), study, "cloning", "study.json")
    alone = replace(study, methods=study.methods[1:])
    with pytest.raises(UserError, match=r"^study.json has no ablation with its method"):
        components_table(make_scores(study), make_costs(study), alone, "study.json")
