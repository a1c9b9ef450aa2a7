"""Table: what the papers claim, each with the committed reference that tests it best."""

from pathlib import Path

from gtp.errors import ending_in_one_line
from gtp.report.ledger.claims import best_study, judge_all
from gtp.report.ledger.printed import claims_over_studies
from gtp.report.ledger.results import read_folder
from gtp.report.tables import write_table
from gtp.studies.claims import load_claims

if __name__ == "__main__":
    with ending_in_one_line():
        claims = load_claims(Path(snakemake.input.claims))
        folders = dict.fromkeys(Path(table).parent for table in snakemake.input.tables)
        studies = [read_folder(folder) for folder in folders]
        everywhere = [judge_all(claims, results) for results in studies]
        chosen = [best_study(findings) for findings in zip(*everywhere, strict=True)]
        table, numbers = claims_over_studies(chosen, everywhere, {r.name: r for r in studies})
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
