"""Table: return after online training, and what the search adds to the policy prior that it plans with."""

import pandas as pd

from gtp.errors import ending_in_one_line
from gtp.report.online import OnlineReturns, read_record, read_returns
from gtp.report.record import OnlineRecord
from gtp.report.statistics import Estimate
from gtp.report.tables import Cell, Row, Table, plus_minus, write_table

CAPTION = (
    "Return after {steps} steps in the environment: mean over n = {seeds} seeds{spread}, {episodes} episodes"
    " for each. Search is MBDPO's planner, or the actor of a method that does not plan; prior is the policy"
    " prior alone, in the same run. Differences are paired by seed: after the last step, and averaged over"
    " all evaluations but the one before training."
)
SPREAD = " ± half-width of the 95 % interval (Student's t)"
HEADINGS = ("Method", "search or actor", "prior alone", "search − prior, last", "search − prior, all")


def online_table(returns: OnlineReturns, record: OnlineRecord) -> tuple[Table, pd.DataFrame]:
    """The table, a heading for each environment, and its numbers: one row for each cell."""
    rows, numbers = [], []
    for place, environment in enumerate(record.environments):
        rows.append(Row(environment, rule=place > 0))
        for method, label in record.labels.items():
            values = quantities(returns, environment, method)
            rows.append(Row(label, tuple(Cell(plus_minus(v) if v else "–") for v in values.values())))
            numbers += [
                {
                    "environment": environment,
                    "method": method,
                    "quantity": name,
                    "seeds": value.n,
                    "estimate": value.mean,
                    "low": value.low,
                    "high": value.high,
                }
                for name, value in values.items()
                if value
            ]
    caption = CAPTION.format(
        steps=record.steps,
        seeds=len(record.seeds),
        spread=SPREAD if len(record.seeds) > 1 else "",
        episodes=record.episodes,
    )
    return Table(HEADINGS, tuple(rows), caption, "tab:online"), pd.DataFrame(numbers)


def quantities(returns: OnlineReturns, environment: str, method: str) -> dict[str, Estimate | None]:
    """The cells of a method's row by name; None where the method has no such thing."""
    best, *others = returns.ways(environment, method)
    plans = bool(others)
    return {
        "search": returns.final(environment, method, best),
        "prior": returns.final(environment, method, "prior") if plans else None,
        "difference_last": returns.gain(environment, method, last=True) if plans else None,
        "difference_all": returns.gain(environment, method, last=False) if plans else None,
    }


if __name__ == "__main__":
    with ending_in_one_line():
        record = read_record(snakemake.input.record)
        table, numbers = online_table(read_returns(snakemake.input.online, record), record)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
