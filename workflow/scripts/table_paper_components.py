"""Ablations in the form of the GTP paper's Table 3: rows variants, columns scores and training time."""

from dataclasses import replace

import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.report.record import MethodRecord, StudyRecord
from gtp.report.results import read_results, read_study
from gtp.report.spread import spread_of
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.tables import Cell, Row, Table, even_blocks, protocol, signed, write_table

CAPTION = (
    "Table 3 of the GTP paper, in its form: for a method and its ablations the normalised score, mean over"
    " seeds ± standard deviation between them, and the minutes that one job trains all seeds for, without"
    " those of compilation, on tasks where that was measured. {protocol} {acting} The table of ablations has"
    " differences with their intervals."
)


def components_table(
    scores: SeedScores, costs: pd.DataFrame, whole: StudyRecord, file: str
) -> tuple[Table, pd.DataFrame]:
    """The table and its numbers, one row for each cell; `costs` is the content of a cost.csv.

    Raises: UserError naming `file`, the study's record, when no ablation has the method that it is made from.
    """
    families = families_of(whole)
    if not families:
        raise UserError(f"{file} has no ablation with its method; add both to the study's methods")
    study = replace(whole, methods=tuple(method for family in families for method in family))
    measured = costs.groupby(["quantity", "method", "task"])["value"].first()
    seconds = measured["training_seconds"] - measured["compilation_seconds"]
    timed = [task for task in study.tasks if task.name in seconds.index.get_level_values("task")]
    rows, numbers = [], []
    for method in study.methods:
        cells, nfe = [], study.headline(method)
        about = {"method": method.name, "acting": method.acting[0], "nfe": nfe}
        for task in study.tasks:
            spread = spread_of(scores.matrix([task], method, nfe))
            cells.append(Cell(spread.text))
            score = {"quantity": "score", "value": spread.mean, "deviation": spread.deviation}
            numbers.append({**about, "task": task.name, **score})
        for task in timed:
            value = seconds.get((method.name, task.name), float("nan")) / 60.0
            cells.append(Cell(signed(value)))
            numbers.append({**about, "task": task.name, "quantity": "training_minutes", "value": value})
        rows.append(Row(method.label, tuple(cells), rule=bool(rows) and not method.ablation_of))
    notices = (
        CAPTION.format(protocol=protocol(scores, study), acting=study.acting_notice()),
        study.score_notice(),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    minutes = (f"Minutes, {task.label}" for task in timed)
    headings = ("Variant", *(task.label for task in study.tasks), *minutes)
    caption, columns = " ".join(filter(None, notices)), even_blocks(len(headings) - 1)
    return Table(headings, tuple(rows), caption, "tab:paper-3", columns), pd.DataFrame(numbers)


def families_of(study: StudyRecord) -> list[list[MethodRecord]]:
    """Every method with ablations in the study, followed by them."""
    ablations = {m.name: [a for a in study.methods if a.ablation_of == m.name] for m in study.methods}
    return [[method, *ablations[method.name]] for method in study.methods if ablations[method.name]]


if __name__ == "__main__":
    with ending_in_one_line():
        file = snakemake.input.study
        study = read_study(file)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        costs = read_results(snakemake.input.cost, "cost")
        table, numbers = components_table(scores, costs, study, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
