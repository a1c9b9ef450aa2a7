"""The page of a study: claims, tables, figures, data, cost and provenance in one HTML file."""

from pathlib import Path

from gtp.errors import ending_in_one_line
from gtp.files import write_text
from gtp.report.page.page import Place, study_page
from gtp.report.results import read_results
from gtp.studies.claims import load_claims

if __name__ == "__main__":
    with ending_in_one_line():
        given, view, output = snakemake.input, snakemake.params.view, Path(snakemake.output[0])
        place = Place(Path("results", view), Path("figures", view), Path("paper_tables", view), output)
        best = read_results(given.best, "claims") if given.get("best") else None
        tables = [Path(table).stem for table in given.results]
        write_text(output, study_page(place, tables, load_claims(Path(given.claims)), best))
