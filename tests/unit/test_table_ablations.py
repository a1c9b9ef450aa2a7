"""Ablations against differences worked by hand, and what is refused."""

import pytest
from scipy import stats

from gtp.errors import UserError
from workflow.scripts.table_ablations import ablation_table

from .table_fixtures import bold, make_scores, make_study, method, task, texts


def test_ablation_cells_by_hand():
    study = make_study()
    table, numbers = ablation_table(make_scores(study), study, "study.json")
    assert table.headings == ("Task", "GTP", "GTP_less")  # no column for what is no ablation
    # Welch: 2.776445 (4 degrees of freedom) * sqrt(100 / 3 + 100 / 3) = 22.67.
    assert texts(table, "Near") == ["90.0 ± 24.8", "−40.0 ± 22.7"]
    assert bold(table, "Near") == [False, True]
    assert texts(table, "Far") == ["50.0 ± 113.8", "0.0 ± 113.8"]
    assert bold(table, "Far") == [False, False]
    assert texts(table, "Average")[1].startswith("−20.0 ± ")
    row = numbers.query("task == 'near' and method == 'gtp-less'").iloc[0]
    assert row["minus"] == "gtp"
    assert row["high"] == pytest.approx(-40.0 + stats.t.ppf(0.975, 4) * (200 / 3) ** 0.5)


def test_pooled_difference_weighs_tasks_equally_and_uses_all_variances():
    study = make_study()
    _, numbers = ablation_table(make_scores(study), study, "study.json")
    variances = [100 / 3 / 4, 2100 / 3 / 4, 100 / 3 / 4, 0.0]
    freedom = sum(variances) ** 2 / sum(v**2 / 2 for v in variances)
    row = numbers.query("over == 'all' and method == 'gtp-less'").iloc[0]
    half_width = stats.t.ppf(0.975, freedom) * sum(variances) ** 0.5
    assert (row["low"], row["estimate"], row["high"]) == pytest.approx(
        (-20 - half_width, -20, -20 + half_width)
    )


def test_ablation_that_does_better_has_a_plus():
    study = make_study(
        methods=(method("gtp-less", "Parent"), method("gtp", "Child", parent="gtp-less")),
        tasks=(task("near"),),
    )
    table, _ = ablation_table(make_scores(study), study, "study.json")
    assert texts(table, "Near")[1] == "+40.0 ± 22.7"


def test_ablations_have_rows_for_each_rule_by_which_one_can_be_held_to_its_method():
    both = ("sample", "best_of_4")
    study = make_study(
        methods=(
            method("gtp", "GTP", acting=both),
            method("gtp-less", "GTP_less", parent="gtp", acting=both),
            method("bc", "Clone", parent="gtp"),
        ),
        acting=both,
        tasks=(task("near"),),
    )
    scores = make_scores(study)
    better = (scores.table["method"] == "gtp-less") & (scores.table["acting"] == "best_of_4")
    scores.table.loc[better, "score"] += 50.0  # so that it is 10 above GTP by the best of four
    table, numbers = ablation_table(scores, study, "study.json")
    rows = ["Near", "Average"]
    assert [row.label for row in table.rows] == ["one sample", *rows, "best of 4", *rows]
    assert [cell.text for cell in table.rows[1].cells] == ["90.0 ± 24.8", "−40.0 ± 22.7", "−5.0 ± 24.8"]
    assert [cell.text for cell in table.rows[4].cells] == ["98.0 ± 24.8", "+10.0 ± 22.7", "–"]
    assert list(numbers.query("over == 'task'")["acting"]) == ["sample"] * 3 + ["best_of_4"] * 2
    assert "both methods of a difference act so" in table.caption
    assert "Acting:" not in table.caption


def test_ablation_caption_speaks_only_of_its_columns():
    study = make_study()
    caption = ablation_table(make_scores(study), study, "study.json")[0].caption
    assert "BC" not in caption
    for statement in ("GTP: normalised score", "95 % Welch interval", "n = 3", "Generated data, not D4RL."):
        assert statement in caption


def test_ablations_without_their_parent_are_refused():
    study = make_study(methods=(method("gtp-less", "GTP_less", parent="gtp"),))
    with pytest.raises(UserError, match="study.json.*gtp; add it"):
        ablation_table(make_scores(study), study, "study.json")
    alone = make_study(methods=(method("gtp", "GTP"),))
    with pytest.raises(UserError, match=r"study.json has no ablation"):
        ablation_table(make_scores(alone), alone, "study.json")
