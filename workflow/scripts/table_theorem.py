"""Table: the order at which the gap of Theorem 1 vanishes, the predicted one, and the verdict."""

from dataclasses import asdict

import pandas as pd

from gtp.errors import ending_in_one_line
from gtp.report.oracle import read_oracle_record
from gtp.report.record import OracleRecord
from gtp.report.results import read_results
from gtp.report.tables import Cell, Row, Table, plus_minus, write_table
from gtp.report.theorem import FIELDS, SOLVERS, SWEEPS, TOLERANCE, Order, read_orders

CAPTION = (
    "Theorem 1 says that the consistency loss with a solver of order p and step h is within O(h^p) of the"
    " ideal one. The fitted order is the slope of log |gap| over log h: mean over n = {seeds} seeds of"
    " {samples} samples ± half-width of the 95 % interval. It holds where the whole interval is above"
    " p − {tolerance}."
)
HEADINGS = (
    "Field and solver",
    "p",
    "fitted order",
    "gap, largest h",
    "gap, smallest h",
    "of L_ideal",
    "verdict",
)


def theorem_table(orders: list[Order], record: OracleRecord) -> tuple[Table, pd.DataFrame]:
    """The table, a heading for each mixture and sweep, and its numbers."""
    rows, numbers = [], []
    for mixture, label in record.mixtures.items():
        for sweep, words in SWEEPS.items():
            rows.append(Row(f"{label}: {words}", rule=bool(rows)))
            for order in orders:
                if (order.mixture, order.sweep) != (mixture, sweep):
                    continue
                cells = (
                    f"{order.predicted}",
                    plus_minus(order.slope, 2),
                    f"{order.first:.2g}",
                    f"{order.last:.2g}",
                    f"{100 * order.share:.3g} %",
                    order.verdict,
                )
                rows.append(Row(f"{FIELDS[order.field]}, {SOLVERS[order.solver]}", tuple(map(Cell, cells))))
                slope = {"slope": order.slope.mean, "low": order.slope.low, "high": order.slope.high}
                known = {key: value for key, value in asdict(order).items() if key != "slope"}
                numbers.append({**known, **slope, "seeds": order.slope.n, "verdict": order.verdict})
    caption = CAPTION.format(seeds=len(record.seeds), samples=record.samples, tolerance=TOLERANCE)
    return Table(HEADINGS, tuple(rows), caption, "tab:theorem"), pd.DataFrame(numbers)


if __name__ == "__main__":
    with ending_in_one_line():
        record = read_oracle_record(snakemake.input.study)
        orders = read_orders(read_results(snakemake.input.theorem, "theorem"), snakemake.input.theorem)
        table, numbers = theorem_table(orders, record)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
