"""Every trial of every method that a study tunes: settings, scores, and which has the highest average."""

from dataclasses import replace
from itertools import product

import pandas as pd

from gtp.acting import ActingRule
from gtp.errors import ending_in_one_line
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.tables import Cell, Row, Table, plus_minus, protocol, write_table
from gtp.report.trials import number_of, trial_score, tuned_methods

CAPTION = (
    "Trials, as many of every method: what each changes in the method's settings, and its normalised"
    " score{spread}. By each acting rule from the same policy. Bold: the highest"
    " average of a method by a rule, no test. Averages weigh tasks equally. {protocol}"
)
SPREAD = ", mean over seeds ± half-width of the 95 % interval (Student's t over seeds)"


def trial_table(scores: SeedScores, study: StudyRecord, file: str) -> tuple[Table, pd.DataFrame]:
    """The table, rows trials and columns tasks, and its numbers: one row for each cell.

    Raises UserError naming `file`, the study's record, when a method of it is no trial.
    """
    tuned = tuned_methods(study, file)
    columns = {task.label: (task,) for task in study.tasks}
    # Scores on data of two sources have no common average.
    averages = {f"Average, {suite}" if suite else "Average": tasks for suite, tasks in study.pools().items()}
    rows, numbers = [], []
    for place, (method, trials) in enumerate(tuned.items()):
        rows.append(Row(method.label, rule=place > 0))
        best = {
            (label, rule): max(trial_score(scores, study, trial, tasks, rule).mean for trial in trials)
            for label, tasks in averages.items()
            for rule in method.acting
        }
        for trial, rule in product(trials, method.acting):
            number, cells = number_of(trial), []
            for label, tasks in (columns | averages).items():
                value = trial_score(scores, study, trial, tasks, rule)
                diverged = sum(scores.diverged(task.name, trial.name) for task in tasks)
                cells.append(
                    Cell(plus_minus(value) + "†" * bool(diverged), value.mean == best.get((label, rule)))
                )
                numbers.append(
                    {
                        "method": method.name,
                        "trial": number,
                        "settings": trial.settings,
                        **where(study, label in averages, tasks),
                        "nfe": study.headline(trial),
                        "acting": rule,
                        "seeds": value.n,
                        "diverged": diverged,
                        "estimate": value.mean,
                        "low": value.low,
                        "high": value.high,
                        "best": value.mean == best[label, rule] if label in averages else "",
                    }
                )
            acting = ActingRule.parse(rule).label
            rows.append(Row(f"{number}: {trial.settings}", (Cell(acting), *cells)))
    divergence = scores.divergence_notice(study)
    notices = [
        CAPTION.format(
            spread=SPREAD if len(study.seeds) > 1 else "",
            protocol=protocol(scores, replace(study, methods=tuple(tuned))),
        ),
        study.score_notice(),
        study.data_notice(),
        f"† {divergence}" if divergence else "",
    ]
    caption = " ".join(filter(None, notices))
    return Table(("Trial", "Acting", *columns, *averages), tuple(rows), caption, "tab:trials"), pd.DataFrame(
        numbers
    )


def where(study: StudyRecord, average: bool, tasks: tuple[TaskRecord, ...]) -> dict[str, str]:
    """Columns of the CSV that say which tasks a number is about."""
    if not average:
        return {"over": "task", "suite": tasks[0].suite, "task": tasks[0].name}
    over, suite = ("all", "") if study.one_source else ("suite", tasks[0].suite)
    return {"over": over, "suite": suite, "task": ""}


if __name__ == "__main__":
    with ending_in_one_line():
        file = snakemake.input.study
        study = read_study(file)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        table, numbers = trial_table(scores, study, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
