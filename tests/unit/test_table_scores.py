"""Tables of scores against cells worked by hand, what they must state, and what they refuse."""

from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

from gtp.errors import UserError
from gtp.report.record import StudyRecord
from gtp.report.statistics import SeedScores
from gtp.report.tables import Table
from workflow.scripts.table_ablations import ablation_table
from workflow.scripts.table_scores import score_table

from .table_fixtures import SCORES, bold_below, make_scores, make_study, method, task, texts, texts_below


@pytest.fixture(scope="module")
def main() -> tuple[Table, pd.DataFrame]:
    study = make_study()
    return score_table(make_scores(study), study, "rl", "study.json")


def test_main_table_cells_by_hand(main):
    table, _ = main
    assert table.headings == ("Method (acting)", "Near", "Far", "Average", "IQM")
    labels = ["GTP (one sample)", "GTP_less (one sample)", "BC (deterministic)"]
    assert [row.label for row in table.rows] == labels
    assert texts_below(table, "Near") == ["90.0 ± 24.8 (3)", "50.0 ± 24.8 (3)", "85.0 ± 0.0 (3)"]
    # 60, 0 and 90: the sum of squared deviations from 50 is 4200, so 4.302653 * sqrt(2100 / 3) = 113.8.
    assert texts_below(table, "Far") == ["50.0 ± 113.8 (3)†", "50.0 ± 0.0 (3)", "20.0 ± 0.0 (3)"]


def test_main_table_marks_what_cannot_be_told_from_the_best(main):
    table, numbers = main
    # 90 - 50 is 40 ± 22.7, which is clear of 0; 90 - 85 is 5 ± 24.8, which is not.
    assert list(numbers.query("task == 'near'")["best"]) == [True, False, True]
    # 50 - 20 is 30 ± 113.8: a seed that diverged leaves room for everything.
    assert list(numbers.query("task == 'far'")["best"]) == [True, True, True]
    # Three seeds tell so little apart that bold would say nothing.
    assert not any(cell.bold for row in table.rows for cell in row.cells)
    assert "Nothing is bold" in table.caption


def test_five_seeds_have_bold_rows(monkeypatch):
    for key, values in list(SCORES.items()):
        monkeypatch.setitem(SCORES, key, [*values, *values[:2]])
    study = make_study(seeds=tuple(range(5)), tasks=(task("near"),))
    table, _ = score_table(make_scores(study), study, "rl", "study.json")
    assert bold_below(table, "Near") == [True, False, True]
    assert "Bold: every row" in table.caption


def test_shares_of_episodes_have_limits_within_0_and_100():
    maze = replace(task("near"), maze="fork", reference_max=1.0)
    study = make_study(tasks=(maze,))
    scores = make_scores(study)
    scores.table["score"] = 100.0
    table, numbers = score_table(scores, study, "rl", "study.json")
    # Wilson with 6 episodes and t = 4.3027: 6 / (6 + 18.513).
    assert texts_below(table, "Near")[0] == "100.0 [24.5, 100.0] (3)"
    assert numbers.query("over == 'task'")["high"].max() == 100.0
    assert "Wilson" in table.caption


def test_main_table_averages_tasks_by_hand(main):
    table, numbers = main
    # The variances of the two means are 100 / 3 and 2100 / 3; degrees of freedom after Satterthwaite.
    variances = [100 / 3 / 4, 2100 / 3 / 4]
    freedom = sum(variances) ** 2 / sum(v**2 / 2 for v in variances)
    half_width = stats.t.ppf(0.975, freedom) * sum(variances) ** 0.5
    assert texts_below(table, "Average")[0] == f"70.0 ± {half_width:.1f} (3)†"
    row = numbers.query("over == 'all' and statistic == 'mean' and method == 'gtp'").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((70.0 - half_width, 70.0 + half_width))


def test_main_table_has_the_interquartile_mean_by_hand(main):
    table, _ = main
    # Of 0 60 80 90 90 100 the middle four; of 40 50 50 50 50 60 too; of 20 20 20 85 85 85 too.
    assert [text.split(" [")[0] for text in texts_below(table, "IQM")] == ["80.0", "50.0", "52.5"]
    assert not any(bold_below(table, "IQM"))


def test_main_table_keeps_full_precision_for_programs(main):
    _, numbers = main
    row = numbers.query("task == 'near' and method == 'gtp'").iloc[0]
    half_width = stats.t.ppf(0.975, 2) * 10 / 3**0.5
    assert (row["estimate"], row["nfe"], row["seeds"], row["diverged"]) == (90.0, 5, 3, 0)
    assert row["high"] == pytest.approx(90.0 + half_width, abs=1e-9)
    assert numbers.query("task == 'far' and method == 'gtp'").iloc[0]["diverged"] == 1
    assert numbers.query("task == 'near' and method == 'bc'").iloc[0]["nfe"] == 1


def test_main_caption_states_what_the_numbers_are(main):
    caption = main[0].caption
    for statement in (
        "n = 3 training seeds",
        "2 episodes for each",
        "K = 5 ",
        "K = 1: BC",
        "Last checkpoint",
        "Student's t over seeds",
        "Nothing is bold",
        "0 at a random policy's return",
        "Generated data, not D4RL.",
        "IQM: interquartile mean",
        "GTP on Far (1 of 3)",
    ):
        assert statement in caption
    assert "cloning" not in caption  # no cloning method is above these


def test_cloning_has_a_table_of_its_own_and_the_main_one_says_where_it_is_better():
    study = make_study(
        methods=(
            method("gtp-less", "GTP_less"),
            method("bc", "BC", generative=False, group="cloning"),
            method("gtp", "GTP", group="cloning"),
        )
    )
    main, numbers = score_table(make_scores(study), study, "rl", "study.json")
    cloning, others = score_table(make_scores(study), study, "cloning", "study.json")
    assert [row.label for row in main.rows] == ["GTP_less (one sample)"]
    assert [row.label for row in cloning.rows] == ["BC (deterministic)", "GTP (one sample)"]
    assert (main.label, cloning.label) == ("tab:main", "tab:cloning")
    assert set(numbers["method"]) == {"gtp-less"}
    assert set(others["method"]) == {"bc", "gtp"}
    # Far: 50 for both GTP_less and GTP, so the method of this table is not below.
    better = "on Near (GTP, 90.0 ± 24.8)"
    assert better in main.caption
    assert better not in cloning.caption
    assert not numbers.query("task == 'near'")["best"].any()  # nothing to compare with in its own table
    only = make_study()
    with pytest.raises(UserError, match="study.json.*group cloning"):
        score_table(make_scores(only), only, "cloning", "study.json")


def test_suites_are_set_apart_and_averaged():
    study = make_study(tasks=(task("near", "maze"), task("far", "walking"), task("far2", "walking")))
    SCORES.update({("far2", name): SCORES["near", name] for name in ("gtp", "gtp-less", "bc")})
    table, numbers = score_table(make_scores(study), study, "rl", "study.json")
    assert table.headings[1:] == ("Near", "Far", "Far2", "Average, walking", "Average", "IQM")
    assert texts_below(table, "Average, walking")[2] == "52.5 ± 0.0 (3)"
    assert numbers.query("over == 'suite'")["suite"].tolist() == ["walking"] * 3


def test_scores_of_two_sources_are_never_averaged():
    study = make_study(tasks=(task("near", "maze"), task("far", "walking", source="d4rl")))
    table, numbers = score_table(make_scores(study), study, "rl", "study.json")
    assert table.headings[1:] == ("Near, Generated data", "Far, D4RL data")
    assert set(numbers["over"]) == {"task"}
    assert "no average over all tasks" in table.caption
    assert "IQM" not in table.caption
    table, numbers = ablation_table(make_scores(study), study, "study.json")
    assert [row.label for row in table.rows] == ["Near", "Far", "Average, maze", "Average, walking"]
    assert [row.rule for row in table.rows] == [False, False, True, False]
    assert texts(table, "Average, walking") == texts(table, "Far")
    assert numbers.query("over == 'suite'")["suite"].tolist() == ["maze", "maze", "walking", "walking"]


def test_every_way_of_acting_has_a_row_and_is_compared_with_its_like():
    both = ("sample", "best_of_4")
    study = make_study(
        methods=(
            method("gtp", "GTP", acting=both),
            method("gtp-less", "GTP_less"),
            method("bc", "BC", generative=False),
        ),
        acting=both,
        tasks=(task("near"),),
    )
    scores = make_scores(study)
    table, numbers = score_table(scores, study, "rl", "study.json")
    ways = ["GTP (one sample)", "GTP (best of 4)", "GTP_less (one sample)", "BC (deterministic)"]
    assert [row.label for row in table.rows] == ways
    assert texts_below(table, "Near")[:2] == ["90.0 ± 24.8 (3)", "98.0 ± 24.8 (3)"]
    # GTP_less is 40 ± 22.7 below GTP by one sample, and by the best of four it has no row to compare.
    assert list(numbers.query("over == 'task'")["best"]) == [True, True, False, True]
    assert set(zip(numbers["method"], numbers["acting"], strict=True)) == {
        ("gtp", "sample"),
        ("gtp", "best_of_4"),
        ("gtp-less", "sample"),
        ("bc", "deterministic"),
    }
    assert "4 × (K + 1) evaluations" in table.caption
    assert "Acting: one sample." in ablation_table_of(study, scores).caption


def ablation_table_of(study: StudyRecord, scores: SeedScores) -> Table:
    """The ablations of a study whose second method is one of the first's."""
    first, second, *_ = study.methods
    study = replace(study, methods=(first, replace(second, ablation_of=first.name)))
    return ablation_table(scores, study, "study.json")[0]


def test_one_seed_has_no_interval_and_no_winner():
    study = make_study(seeds=(0,))
    table, numbers = score_table(make_scores(study), study, "rl", "study.json")
    assert texts_below(table, "Near") == ["80.0 (1)", "40.0 (1)", "85.0 (1)"]
    assert texts_below(table, "IQM") == ["70.0", "45.0", "52.5"]
    assert not any(bold_below(table, "Near"))
    assert numbers["low"].isna().all()
