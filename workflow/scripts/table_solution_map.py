"""Table: distance of K-step samples to the exact flow of their noise, for every mixture, method and K."""

import pandas as pd

from gtp.errors import ending_in_one_line
from gtp.report.oracle import Accuracies, read_accuracies, read_oracle_record
from gtp.report.record import OracleRecord
from gtp.report.statistics import CONFIDENCE
from gtp.report.tables import Cell, Row, Table, plus_minus, write_table
from gtp.schema import Accuracy, column_kinds

CAPTION = (
    "Median distance of K-step samples to where the exact ODE carries the same noise, in action units: mean"
    " over n = {seeds} seeds{spread}, {steps} updates. Each method acts as it was trained."
)
SPREAD = f" ± half-width of the {CONFIDENCE:.0%} interval (Student's t)".replace("%", " %")
QUANTITIES = tuple(name for name in column_kinds(Accuracy) if name not in ("seed", "nfe"))


def accuracy_table(accuracies: Accuracies, record: OracleRecord) -> tuple[Table, pd.DataFrame]:
    """The table, a heading for each mixture, and its numbers: every quantity, one a row."""
    rows, numbers = [], []
    for place, (mixture, label) in enumerate(record.mixtures.items()):
        rows.append(Row(label, rule=place > 0))
        for method in record.methods:
            estimates = [accuracies.estimate(mixture, method.name, k) for k in record.nfe]
            rows.append(Row(method.label, tuple(Cell(plus_minus(e, 3) if e.n else "–") for e in estimates)))
            for nfe in record.nfe:
                for quantity in QUANTITIES:
                    value = accuracies.estimate(mixture, method.name, nfe, quantity)
                    numbers.append(
                        {
                            "mixture": mixture,
                            "method": method.name,
                            "nfe": nfe,
                            "quantity": quantity,
                            "seeds": value.n,
                            "estimate": value.mean,
                            "low": value.low,
                            "high": value.high,
                        }
                    )
    caption = CAPTION.format(
        seeds=len(record.seeds), spread=SPREAD if len(record.seeds) > 1 else "", steps=record.steps
    )
    headings = ("Method", *(f"K = {k}" for k in record.nfe))
    return Table(headings, tuple(rows), caption, "tab:solution_map"), pd.DataFrame(numbers)


if __name__ == "__main__":
    with ending_in_one_line():
        record = read_oracle_record(snakemake.input.study)
        table, numbers = accuracy_table(read_accuracies(snakemake.input.solution_map, record), record)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
