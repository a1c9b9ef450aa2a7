"""Tables against cells worked by hand, what they must state, and what they refuse."""

import io
import json
import re
import runpy
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gtp.errors import UserError
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_results, read_study
from gtp.report.statistics import Estimate, SeedScores, seed_scores
from gtp.report.tables import Cell, Row, Table, even_blocks, latex, markdown, plus_minus, signed, with_limits
from gtp.studies.methods import load_methods
from workflow.scripts.table_ablations import ablation_table
from workflow.scripts.table_aggregates import aggregate_table
from workflow.scripts.table_cost import cost_table, significant
from workflow.scripts.table_published import published_table, read_published
from workflow.scripts.table_scores import score_table

from .results_fixtures import D4RL_TASKS, write_study

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow/scripts"
PUBLISHED = ROOT / "workflow/published"
DIVERGED = None

# Scores of three seeds. A standard deviation of 10 gives the half-width 4.302653 * 10 / sqrt(3) = 24.84.
SCORES = {
    ("near", "gtp"): [80.0, 90.0, 100.0],
    ("near", "gtp-less"): [40.0, 50.0, 60.0],
    ("near", "bc"): [85.0, 85.0, 85.0],
    ("far", "gtp"): [60.0, DIVERGED, 90.0],
    ("far", "gtp-less"): [50.0, 50.0, 50.0],
    ("far", "bc"): [20.0, 20.0, 20.0],
}


def task(name: str, suite: str = "maze", source: str = "generate") -> TaskRecord:
    return TaskRecord(
        name=name,
        suite=suite,
        label=name.capitalize(),
        source=source,
        environment="Maze-v0",
        reference_min=0.0,
        reference_max=50.0,
        maze=None,
    )


def method(
    name: str,
    label: str,
    parent: str | None = None,
    generative: bool = True,
    group: str = "rl",
    acting: tuple[str, ...] = ("sample",),
) -> MethodRecord:
    return MethodRecord(
        name=name,
        label=label,
        algorithm=name.split("-")[0],
        group=group,
        ablation_of=parent,
        generative=generative,
        nfe=(1, 5) if generative else (1,),
        acting=acting if generative else ("deterministic",),
        order=0,
    )


def make_study(**changes) -> StudyRecord:
    fields = {
        "study": "handmade",
        "tasks": (task("near"), task("far")),
        "methods": (
            method("gtp", "GTP"),
            method("gtp-less", "GTP_less", parent="gtp"),
            method("bc", "BC", generative=False),
        ),
        "seeds": (0, 1, 2),
        "steps": 100,
        "episodes": 2,
        "nfe": (1, 5),
        "headline_nfe": 5,
        "acting": ("sample",),
    }
    return StudyRecord(**fields | changes)


def make_scores(study: StudyRecord) -> SeedScores:
    """Two episodes a seed, 7 above and 7 below its score; at K = 1 all score 1, which no table may show.

    By a second rule each seed scores 8 more.
    """
    rows = []
    for about in study.tasks:
        for by in study.methods:
            for nfe, rule in product(study.evaluated_nfe(by), by.acting):
                for seed in study.seeds:
                    score = SCORES[about.name, by.name][seed]
                    labels = {"task": about.name, "method": by.name, "nfe": nfe, "acting": rule, "seed": seed}
                    if score is DIVERGED:
                        lost = {"episode": -1, "normalized_score": float("nan"), "status": "diverged@9"}
                        rows.append(labels | lost)
                        continue
                    for episode, offset in enumerate((-7.0, 7.0)):
                        shown = score + offset if nfe == study.headline(by) else 1.0
                        shown += 8.0 * by.acting.index(rule)
                        rows.append(labels | {"episode": episode, "normalized_score": shown, "status": "ok"})
    return seed_scores(pd.DataFrame(rows), study, "scores.csv")


def texts(table: Table, label: str) -> list[str]:
    return [cell.text for cell in row_of(table, label).cells]


def bold(table: Table, label: str) -> list[bool]:
    return [cell.bold for cell in row_of(table, label).cells]


def column(table: Table, heading: str) -> list[Cell]:
    """The cells below a heading."""
    place = table.headings.index(heading) - 1
    return [row.cells[place] for row in table.rows]


def texts_below(table: Table, heading: str) -> list[str]:
    return [cell.text for cell in column(table, heading)]


def bold_below(table: Table, heading: str) -> list[bool]:
    return [cell.bold for cell in column(table, heading)]


def row_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


# The main table


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
    table, _ = main
    # 90 - 50 is 40 ± 22.7, which is clear of 0; 90 - 85 is 5 ± 24.8, which is not.
    assert bold_below(table, "Near") == [True, False, True]
    # 50 - 20 is 30 ± 113.8: a seed that diverged leaves room for everything.
    assert bold_below(table, "Far") == [True, True, True]


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
        "K = 5 function evaluations for an action (K = 1: BC)",
        "Last checkpoint",
        "95 % interval (Student's t over seeds)",
        "95 % Welch interval",
        "Scores are 0 at a random policy's return and 100 at the shipped expert's, both measured here.",
        "Generated data, not D4RL.",
        "IQM: interquartile mean",
        "† Seeds that diverged count as 0: GTP on Far (1 of 3).",
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
    better = "A cloning method has a higher mean than all of these by one sample on Near (GTP, 90.0 ± 24.8)."
    assert better in main.caption
    assert better not in cloning.caption
    assert bold_below(main, "Near") == [False]  # nothing to compare with in its own table
    only = make_study()
    with pytest.raises(UserError, match="study.json has no method of the group cloning"):
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
    assert "There is no average over all tasks, since their data are of several sources." in table.caption
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
    assert bold_below(table, "Near") == [True, True, False, True]
    assert set(zip(numbers["method"], numbers["acting"], strict=True)) == {
        ("gtp", "sample"),
        ("gtp", "best_of_4"),
        ("gtp-less", "sample"),
        ("bc", "deterministic"),
    }
    assert "the best of several by the averaged critic, 4 × (K + 1) evaluations" in table.caption
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


# The aggregates


def test_aggregates_by_hand():
    study = make_study()
    table, numbers = aggregate_table(make_scores(study), study)
    assert table.headings == ("Method", "Mean", "IQM", "P(GTP better)")
    assert [row.cells[0].text.split(" ±")[0] for row in table.rows] == ["70.0", "50.0", "52.5"]
    # The middle four of six, as in the main table.
    assert [row.cells[1].text.split(" [")[0] for row in table.rows] == ["80.0", "50.0", "52.5"]
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
    assert [row.cells[2].text[:4] for row in table.rows] == ["–", "0.83", "0.67"]
    assert set(numbers.query("statistic == 'probability_of_improvement'")["better"]) == {"gtp"}


def test_a_chance_is_bold_when_one_half_is_outside_its_interval():
    study = make_study(tasks=(task("near"),))
    table, _ = aggregate_table(make_scores(study), study)
    # Against the ablation GTP wins every pair of every bootstrap draw; its seeds differ from BC's both ways.
    assert table.rows[1].cells[2].text == "1.00 [1.00, 1.00]"
    assert [row.cells[2].bold for row in table.rows] == [False, True, False]


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
    assert [cell.text for cell in table.rows[0].cells] == ["70.0", "70.0", "–"]


# The ablations


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
    with pytest.raises(UserError, match=r"study.json has ablations of gtp but not gtp; add it"):
        ablation_table(make_scores(study), study, "study.json")
    alone = make_study(methods=(method("gtp", "GTP"),))
    with pytest.raises(UserError, match=r"study.json has no ablation"):
        ablation_table(make_scores(alone), alone, "study.json")


# The cost


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
    assert groups == ["maze, measured on Near", "walking, measured on Far"]
    with pytest.raises(UserError, match=r"cost.csv has no row of the suite walking"):
        cost_table(make_costs(study, "near"), study, "cost.csv")


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("quantity == 'parameters'", "cost.csv, near: parameters of gtp is missing; delete it and run"),
        (
            "nfe == 5 and batch_size == 64",
            "cost.csv, near: seconds_per_action of gtp at nfe 5, sample, and batch size 64 is missing",
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
    with pytest.raises(UserError, match="cost.csv holds parameters of gtp on near twice"):
        cost_table(pd.concat([costs, costs.iloc[:1]]), study, "cost.csv")
    acting = costs[costs["quantity"] == "seconds_per_action"]
    with pytest.raises(UserError, match="cost.csv holds seconds_per_action of gtp on near twice"):
        cost_table(pd.concat([costs, acting.iloc[:1]]), study, "cost.csv")
    with pytest.raises(UserError, match="seconds_per_action of gtp on near without a positive value"):
        cost_table(costs.assign(value=costs["value"].mask(costs["nfe"] == 5, 0.0)), study, "cost.csv")


# The published scores


@pytest.fixture(scope="module")
def published() -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_published(PUBLISHED / "scores.csv", []), read_published(PUBLISHED / "sources.csv", [])


# Looked up one by one, and not by the program that wrote the file.
KNOWN = {
    ("hopper-medium-expert", "GTP", "gtp_table_2"): ("112.2", "0.6"),
    ("antmaze-large-play", "GTP", "gtp_table_2"): ("53.5", "2.2"),
    ("hopper-medium-expert", "GTP, ODE solver of at most 3 steps", "gtp_table_3"): ("99.7", "1.7"),
    ("hopper-medium-expert", "GTP-BC and linear Q-term, λ = 0.1", "gtp_table_3"): ("", ""),
    ("hopper-medium", "D-QL", "gtp_table_2"): ("90.5", ""),
    ("hopper-medium", "Diffusion-QL", "flowrl_table_2"): ("80.4", "15.7"),
    ("antmaze-large-diverse", "Diffusion-QL", "diffcps_table_1"): ("57.3", ""),
    ("antmaze-medium-diverse", "C-AC", "fql_table_3"): ("0", "1"),
    ("antmaze-umaze-diverse", "C-AC", "gtp_table_2"): ("77.6", ""),
    ("antmaze-large-diverse", "FQL", "fql_table_3"): ("83", "4"),
    ("walker2d-medium-replay", "FQL", "gtp_poster"): ("38.8", ""),
    ("hopper-medium-replay", "BC", "corl_last"): ("29.81", "2.07"),
    ("hopper-medium-replay", "BC", "corl_best"): ("68.88", "10.33"),
    ("antmaze-large-diverse", "GMPO, GVP", "generativerl"): ("69.4", "15.2"),
    ("hopper-medium", "GMPG, VP-SDE", "generativerl"): ("101.1", "2.6"),
    ("walker2d-medium-expert", "GMPO, I-CFM", "generativerl"): ("110.3", "0.7"),
}
# Averages that differ from the mean of the printed cells by more than rounding.
INEXACT = {
    ("locomotion", "D-BC", "gtp_table_1"),
    ("locomotion", "Diffusion-QL", "generativerl"),
    ("antmaze", "GMPO, GVP", "generativerl"),
    ("locomotion", "GMPG, VP-SDE", "generativerl"),
}


def test_published_cells_are_those_of_their_sources(published):
    cells = {
        (row.task, row.printed, row.source): (row.score, row.spread) for row in published[0].itertuples()
    }
    assert {key: cells[key] for key in KNOWN} == KNOWN


def test_no_published_cell_stands_twice_and_all_name_a_source(published):
    scores, sources = published
    assert not scores.duplicated(["suite", "task", "printed", "source"]).any()
    assert set(scores["source"]) == set(sources["source"])
    assert not sources["source"].duplicated().any()
    assert (sources[["label", "reference", "protocol"]] != "").all(axis=None)
    assert (scores.loc[scores["score"] == "", "note"] == "diverged").all()
    for column in ("score", "spread"):
        assert np.isfinite(pd.to_numeric(scores.loc[scores[column] != "", column])).all()


def test_published_scores_are_of_the_fifteen_tasks_and_of_methods_that_exist(published):
    scores, _ = published
    assert set(scores["method"]) <= set(load_methods(ROOT / "config/methods.yaml"))
    assert set(scores["task"]) == {*D4RL_TASKS, "average"}
    suites = {task: "antmaze" if "antmaze" in task else "locomotion" for task in D4RL_TASKS}
    assert all(row.suite == suites.get(row.task, row.suite) for row in scores.itertuples())
    unversioned = scores["dataset"].str.removesuffix("-v2").str.removesuffix("-v0")
    assert (unversioned == scores["task"].where(scores["task"] != "average", "")).all()


def test_published_averages_are_those_of_their_cells(published):
    scores = published[0]
    scores = scores[scores["score"] != ""].assign(score=lambda rows: rows["score"].astype(float))
    checked, inexact = 0, set()
    for key, rows in scores.groupby(["suite", "printed", "source"]):
        cells, average = rows[rows["task"] != "average"], rows.loc[rows["task"] == "average", "score"]
        if len(cells) == {"locomotion": 9, "antmaze": 6}[key[0]] and len(average):
            checked += 1
            if abs(cells["score"].mean() - average.iloc[0]) > 0.06:
                inexact.add(key)
    assert checked > 30
    assert inexact == INEXACT


def test_published_table_has_rows_by_source_and_no_score_of_ours(published):
    methods = (
        method("gtp", "GTP"),
        method("gtp-linear_q", "GTP, linear", parent="gtp"),
        method("consistency_ac", "Consistency-AC"),
    )
    study = make_study(tasks=(task("hopper-medium-expert", "locomotion"), task("near")), methods=methods)
    table, numbers = published_table(*published, study, "scores.csv")
    assert table.headings == ("Method: source", "Hopper-medium-expert")
    assert {row.label: row.cells[0].text for row in table.rows if row.cells} == {
        "GTP: GTP paper, Table 2": "112.2 ± 0.6",
        "GTP: GTP paper, Table 3": "112.2 ± 0.6",
        "GTP-BC and linear Q-term, λ = 0.01: GTP paper, Table 3": "111.4 ± 0.9",
        "GTP-BC and linear Q-term, λ = 0.1: GTP paper, Table 3": "diverged",
        "GTP-BC and linear Q-term, λ = 1.0: GTP paper, Table 3": "diverged",
        "C-AC: GTP paper, Table 2": "100.4",
    }
    assert [row.label for row in table.rows if not row.cells] == ["GTP", "GTP, linear", "Consistency-AC"]
    assert "None was made here" in table.caption
    assert "arXiv 2510.11499" in table.caption
    assert "CORL" not in table.caption  # a source of none of these
    assert numbers["reference"].str.contains("Generative Trajectory Policies").all()
    with pytest.raises(UserError, match="scores.csv has no score of the study's methods on its tasks"):
        published_table(*published, make_study(), "scores.csv")


def test_published_averages_stand_beside_all_tasks_of_a_suite_only(published):
    tasks = tuple(task(name, "locomotion" if "maze" not in name else "antmaze") for name in D4RL_TASKS)
    methods = (method("iql", "IQL"), method("fql", "FQL"))
    whole, _ = published_table(*published, make_study(tasks=tasks, methods=methods), "scores.csv")
    assert whole.blocks == (10, 7)
    assert whole.headings.count("Average") == 2
    assert row_of(whole, "IQL: CORL, last").cells[9].text == "81.63"
    # Flow Q-Learning's table has no locomotion; its row is in the second part alone.
    locomotion, antmaze = ([row.label for row in rows] for _, rows in whole.parts())
    assert "FQL: FQL paper, Table 3" not in locomotion
    assert "FQL: FQL paper, Table 3" in antmaze
    part, _ = published_table(*published, make_study(tasks=tasks[1:], methods=methods), "scores.csv")
    assert part.headings.count("Average") == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.01234, "0.0123"), (1.235, "1.24"), (99.94, "99.9"), (12345.6, "12,346")],
)
def test_three_significant_digits(value, expected):
    assert significant(value) == expected


# Rendering

NASTY = Table(
    headings=("Task", "50 % & more_or {less}", "B"),
    rows=(
        Row("group #1"),
        Row("a|b", (Cell("−1.0 ± 2.0†", bold=True), Cell("[3, 4]"))),
        Row("[c]", (Cell("–"), Cell("$5^2~\\")), rule=True),
    ),
    caption="Costs 5 % of_it.",
    label="tab:nasty",
)


def test_latex_is_escaped_and_uses_booktabs():
    assert latex(NASTY) == (
        "% needs the packages booktabs\n"
        "\\begin{table}\n"
        "\\centering\n"
        "\\caption{Costs 5 \\% of\\_it.}\n"
        "\\label{tab:nasty}\n"
        "\\begin{tabular}{lrr}\n"
        "\\toprule\n"
        "Task & \\shortstack[r]{50 \\% \\& more\\_or\\\\\\{less\\}} & B \\\\\n"
        "\\midrule\n"
        "\\emph{group \\#1} \\\\\n"
        "a\\textbar{}b & \\textbf{\\boldmath $-$1.0 $\\pm$ 2.0$^\\dagger$} & {[}3, 4] \\\\\n"
        "\\midrule\n"
        "{[}c] & -- & \\$5\\textasciicircum{}2\\textasciitilde{}\\textbackslash{} \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_markdown_is_escaped():
    assert markdown(NASTY) == (
        "Costs 5 % of\\_it.\n"
        "\n"
        "| Task | 50 % & more\\_or {less} | B |\n"
        "| --- | ---: | ---: |\n"
        "| *group \\#1* |  |  |\n"
        "| a\\|b | **−1.0 ± 2.0†** | [3, 4] |\n"
        "| [c] | – | $5^2~\\\\ |\n"
    )


def test_parts_stand_below_each_other_and_leave_out_rows_of_dashes():
    rows = (
        Row("left"),
        Row("a", (Cell("1"), Cell("2"), Cell("–"))),
        Row("right", rule=True),
        Row("b", (Cell("–"), Cell("–"), Cell("3"))),
    )
    table = Table(("Task", "A", "B", "C"), rows, "Parts.", "tab:parts", blocks=(2, 1))
    assert markdown(table) == (
        "Parts.\n"
        "\n| Task | A | B |\n| --- | ---: | ---: |\n| *left* |  |  |\n| a | 1 | 2 |\n"
        "\n| Task | C |\n| --- | ---: |\n| *right* |  |\n| b | 3 |\n"
    )
    tex = latex(table)
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 2
    assert tex.count("\\caption") == 1
    assert "\\begin{tabular}{lrr}" in tex
    assert "\\begin{tabular}{lr}" in tex


@pytest.mark.parametrize(
    ("columns", "blocks"), [(1, ()), (7, ()), (8, (4, 4)), (13, (7, 6)), (15, (5, 5, 5)), (16, (6, 5, 5))]
)
def test_parts_are_as_even_as_possible(columns, blocks):
    assert even_blocks(columns) == blocks


def test_wide_tables_are_scaled_to_the_line():
    wide = Table(("Task", *"ABCDEFG"), (Row("x", (Cell("1"),) * 7),), "Wide.", "tab:wide")
    text = latex(wide)
    assert text.startswith("% needs the packages booktabs, graphicx\n")
    assert "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}" in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("write", "estimate", "expected"),
    [
        (plus_minus, Estimate(-0.04, -1.04, 0.96, 3), "0.0 ± 1.0"),
        (plus_minus, Estimate(-1.26, -2.26, -0.26, 3), "−1.3 ± 1.0"),
        (plus_minus, Estimate(7.0, float("nan"), float("nan"), 1), "7.0"),
        (with_limits, Estimate(7.0, -1.0, 9.0, 3), "7.0 [−1.0, 9.0]"),
        (with_limits, Estimate(7.0, float("nan"), float("nan"), 1), "7.0"),
    ],
)
def test_numbers_for_print(write, estimate, expected):
    assert write(estimate) == expected


def test_a_number_that_is_none_is_a_dash():
    assert signed(float("nan")) == "–"


# The scripts, as the workflow runs them

TABLES = {  # table -> its script, its input and its parameters
    "main": ("scores", "scores", {"group": "rl"}),
    "cloning": ("scores", "scores", {"group": "cloning"}),
    "aggregates": ("aggregates", "scores", {}),
    "ablations": ("ablations", "scores", {}),
    "cost": ("cost", "cost", {}),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    tasks = {"pointmaze-umaze": "U-Maze", "pointmaze-medium": "Medium"}
    return write_study(
        tmp_path_factory.mktemp("results") / "study",
        tasks=tasks,
        episodes=3,
        diverged=("pointmaze-medium", "gtp", 2),
    )


def run_script(name: str, source: Path, folder: Path) -> dict[str, bytes]:
    """Run a script as Snakemake does; what it wrote, by ending."""
    script, table, params = TABLES[name]
    outputs = {ending: str(folder / f"{name}.{ending}") for ending in ("md", "tex", "csv")}
    inputs = {table: str(source / f"{table}.csv"), "study": str(source / "study.json")}
    parts = {"input": inputs, "output": outputs, "params": params}
    call = SimpleNamespace(**{part: SimpleNamespace(**values) for part, values in parts.items()})
    runpy.run_path(str(SCRIPTS / f"table_{script}.py"), {"snakemake": call}, "__main__")
    return {ending: Path(path).read_bytes() for ending, path in outputs.items()}


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """What each script makes of the results."""
    return {name: run_script(name, results, tmp_path_factory.mktemp("tables")) for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_scripts_write_the_same_bytes_twice(results, tmp_path, written, name):
    assert run_script(name, results, tmp_path) == written[name]


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_well_formed(written, name):
    files = written[name]
    lines = [line for line in files["md"].decode().splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    tex = files["tex"].decode()
    assert re.sub(r"\\[{}]", "", tex).count("{") == re.sub(r"\\[{}]", "", tex).count("}")
    body = tex.split("\\toprule")[1].split("\\bottomrule")[0]
    assert len({row.count("&") for row in body.splitlines() if "&" in row}) == 1
    assert not set(tex) & set("±−†–")


@pytest.mark.parametrize(("name", "group"), [("main", "rl"), ("cloning", "cloning")])
def test_csv_of_the_scores_loses_no_digit(results, written, name, group):
    numbers = pd.read_csv(io.BytesIO(written[name]["csv"]), float_precision="round_trip")
    study = read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    cells = numbers.query("over == 'task'")
    ways = sum(len(method.acting) for method in study.methods if method.group == group)
    assert len(cells) == len(study.tasks) * ways
    for cell in cells.itertuples():
        assert cell.estimate == scores.of(cell.task, cell.method, cell.nfe, cell.acting).mean()


@pytest.mark.parametrize("name", TABLES)
def test_scripts_end_with_one_line_about_a_bad_file(results, tmp_path, name):
    (tmp_path / "study.json").write_text((results / "study.json").read_text())
    file = tmp_path / f"{TABLES[name][1]}.csv"
    file.write_text("study,task\n")
    with pytest.raises(SystemExit, match=rf"^error: {re.escape(str(file))} lacks the column .*run snakemake"):
        run_script(name, tmp_path, tmp_path)
    record = json.loads((tmp_path / "study.json").read_text())
    del record["nfe"]
    (tmp_path / "study.json").write_text(json.dumps(record))
    with pytest.raises(SystemExit, match="study.json lacks the key 'nfe'"):
        run_script(name, tmp_path, tmp_path)
    assert not list(tmp_path.glob("*.tex"))
