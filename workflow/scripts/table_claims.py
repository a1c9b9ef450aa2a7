"""Table: what the papers claim, and what a study says of it."""

from pathlib import Path

from gtp.errors import ending_in_one_line
from gtp.report.ledger.claims import judge_all
from gtp.report.ledger.printed import claims_table
from gtp.report.ledger.results import read_folder
from gtp.report.tables import write_table
from gtp.studies.claims import load_claims

if __name__ == "__main__":
    with ending_in_one_line():
        tables = [snakemake.input.scores, *snakemake.input.more]
        results = read_folder(Path(snakemake.input.study).parent, [Path(table).stem for table in tables])
        findings = judge_all(load_claims(Path(snakemake.input.claims)), results)
        table, numbers = claims_table(findings, results)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
