"""The table of verdicts by budget, against differences worked out from the rows of curves.csv."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.report.ledger.earlier import ended_earlier
from gtp.report.ledger.results import Results, read_folder
from gtp.report.registry import PRINTED_TABLES, of_study
from gtp.studies.claims import load_claims
from workflow.scripts.table_budget import budget_table

CLAIMS = load_claims(Path("workflow/claims.yaml"))
GUIDANCE = {"gtp-guidance": CLAIMS["gtp-guidance"]}


def rewritten(folder: Path, to: Path, change) -> Results:
    """The results of a folder, copied to another, after a change of its table of curves."""
    shutil.copy(folder / "study.json", to)
    change(pd.read_csv(folder / "curves.csv")).to_csv(to / "curves.csv", index=False)
    return read_folder(to, ["curves"])


def test_effects_are_those_of_the_policies_kept_after_each_share(results: Path):
    found = read_folder(results, ["curves"])
    table, numbers = budget_table(GUIDANCE, found)
    curves = pd.read_csv(results / "curves.csv")
    steps = sorted(curves["step"].unique())
    shown = [steps[max(1, round(len(steps) * share)) - 1] for share in (0.1, 0.2, 0.5, 1.0)]
    assert table.headings[0] == "Tasks"
    assert [h.split(" %")[0] for h in table.headings[1:]] == [
        f"{100 * s / steps[-1]:.0f}" for s in sorted({*shown})
    ]
    first = found.study.tasks[0]
    own = curves[(curves["task"] == first.name) & (curves["acting"] == "sample") & (curves["nfe"] == 5)]
    means = own.groupby(["method", "step"])["normalized_score"].mean()
    differences = means["gtp"] - means["gtp-no_guidance"]
    told = numbers[numbers["tasks"] == first.name].set_index("updates")["estimate"]
    for step in shown:
        assert told[step] == pytest.approx(differences[step])
    row = next(row for row in table.rows if row.label == first.label)
    assert row.cells[-1].text.startswith(f"+{differences[steps[-1]]:.1f} [")
    assert row.cells[-1].text.endswith(f": {numbers['verdict'].iloc[-1]}")


def test_policies_of_a_share_belong_together_where_tasks_differ_in_their_updates(
    results: Path, tmp_path: Path
):
    table, _ = budget_table(GUIDANCE, read_folder(results, ["curves"]))
    first = read_folder(results).study.tasks[0].name

    def halve(curves: pd.DataFrame) -> pd.DataFrame:
        return curves.assign(step=curves["step"].where(curves["task"] != first, curves["step"] // 2))

    assert budget_table(GUIDANCE, rewritten(results, tmp_path, halve))[0] == table


def test_tasks_that_kept_different_numbers_of_policies_are_refused(results: Path, tmp_path: Path):
    first = read_folder(results).study.tasks[0].name

    def forget(curves: pd.DataFrame) -> pd.DataFrame:
        return curves[(curves["task"] != first) | (curves["step"] > curves["step"].min())]

    with pytest.raises(UserError, match=r"curves\.csv: tasks kept different numbers of policies"):
        ended_earlier(rewritten(results, tmp_path, forget))


def test_what_curves_do_not_have_is_not_judged(results: Path):
    """Claims at other numbers of evaluations and by other rules than the headline's have no row."""
    table, numbers = budget_table(CLAIMS, read_folder(results, ["curves"]))
    assert set(numbers["acting"]) == {"sample"}
    assert set(numbers["nfe"]) == {"5"}
    titles = [row.label for row in table.rows if not row.cells]
    assert CLAIMS["gtp-consistency_k5"].title in titles
    assert CLAIMS["gtp-consistency_k1"].title not in titles
    with pytest.raises(UserError, match="can test no claim on scores"):
        budget_table({"gtp-consistency_k1": CLAIMS["gtp-consistency_k1"]}, read_folder(results, ["curves"]))


def test_one_task_has_no_row_for_all(results: Path):
    found = read_folder(results, ["curves"])
    alone = replace(found, record=found.study.only(found.study.tasks[:1]))
    table, _ = budget_table(GUIDANCE, alone)
    assert [row.label for row in table.rows if row.cells] == [found.study.tasks[0].label]


def test_only_long_studies_have_it(results: Path):
    study = read_folder(results).study
    assert "budget" not in of_study(PRINTED_TABLES, study)
    assert "budget" in of_study(PRINTED_TABLES, replace(study, steps=60_000))
