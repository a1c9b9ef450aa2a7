"""Put the CSVs of many runs together into one, with the columns that tell the runs apart."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from gtp.errors import UserError, ending_in_one_line
from gtp.files import write_csv


def labelled_rows(path: Path, labels: dict[str, str], columns: list[str]) -> Iterator[list[str]]:
    """The rows of one file in the order of `columns`, each from `labels` or from the file; values stay text.

    Raises: UserError when the file lacks a column or is no CSV.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = set(columns) - set(labels) - set(reader.fieldnames or ())
            if missing:
                raise UserError(f"{path} lacks the column {min(missing)}; delete the file and run again")
            for row in reader:
                yield [labels[column] if column in labels else row[column] for column in columns]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV ({error}); delete the file and run again") from error


def collect(parts: Iterable[tuple[Path, dict[str, str]]], columns: list[str], output: Path) -> None:
    """Write the rows of all (file, labels) as one CSV, in the order given."""
    rows = (row for path, labels in parts for row in labelled_rows(path, labels, columns))
    write_csv(output, columns, rows)


if __name__ == "__main__":
    with ending_in_one_line():
        collect(
            zip(snakemake.input.parts, snakemake.params.labels, strict=True),
            snakemake.params.columns,
            snakemake.output[0],
        )
