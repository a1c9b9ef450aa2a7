"""Print where the time of a study went, by rule, from Snakemake's benchmarks of its jobs.

`python workflow/scripts/tell_times.py quick` knows of the jobs that ran in this checkout and ended well, each
by its last run. Datasets are shared between studies, so all that were made here are counted.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from gtp.errors import UserError, ending_in_one_line

BENCHMARKS = Path("benchmarks")
SHARED = ("train_behaviour", "generate_dataset", "fetch_dataset")
"""Rules whose results belong to no study."""
KINDS = ("figure", "table")
"""What the rules of a kind begin with: they are counted together."""


def read_times(study: str) -> pd.DataFrame:
    """Columns rule, s (wall-clock seconds), cpu_time (seconds) and max_rss (MB), a row for each job.

    Raises: UserError when no job of the study has run here.
    """
    own = BENCHMARKS / study
    files = [(file, file.relative_to(own).parts[0]) for file in own.rglob("*.tsv")]
    files += [(file, rule) for rule in SHARED for file in (BENCHMARKS / rule).rglob("*.tsv")]
    if not own.exists() or not files:
        raise UserError(f"no job of the study '{study}' has run in this folder; run snakemake first")
    rows = []
    for file, name in files:
        rule = next((f"{kind}s" for kind in KINDS if name.startswith(f"{kind}_")), name.removesuffix(".tsv"))
        job = pd.read_csv(file, sep="\t").iloc[-1]
        rows.append({"rule": rule, **job[["s", "cpu_time", "max_rss"]]})
    return pd.DataFrame(rows)


def lines(times: pd.DataFrame) -> Iterator[str]:
    """The table, the rule that took most first."""
    yield f"{'rule':<28}{'jobs':>6}{'minutes':>9}{'CPU-minutes':>13}{'share':>7}{'MB':>7}"
    rules = times.groupby("rule").agg(
        jobs=("s", "size"), s=("s", "sum"), cpu_time=("cpu_time", "sum"), max_rss=("max_rss", "max")
    )
    everything = pd.Series(
        {"jobs": len(times), **times[["s", "cpu_time"]].sum(), "max_rss": times["max_rss"].max()}, name="all"
    )
    for rule, row in [*rules.sort_values("cpu_time", ascending=False).iterrows(), ("all", everything)]:
        yield (
            f"{rule:<28}{row['jobs']:>6.0f}{row['s'] / 60:>9.1f}{row['cpu_time'] / 60:>13.1f}"
            f"{row['cpu_time'] / everything['cpu_time']:>7.0%}{row['max_rss']:>7.0f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="name of a study that ran in this folder, such as quick")
    with ending_in_one_line():
        print("\n".join(lines(read_times(parser.parse_args().study))))
