"""Write where the tables of a study come from, beside them."""

from pathlib import Path

from gtp.errors import ending_in_one_line
from gtp.report.provenance import write_provenance
from gtp.studies.provenance import commit_if_known, minutes_of_sessions, provenance_of

if __name__ == "__main__":
    with ending_in_one_line():
        given, sessions = snakemake.params, Path("logs", snakemake.params.study, "sessions.csv")
        record = provenance_of(
            given.study,
            map(Path, snakemake.input.tables),
            commit=commit_if_known(),
            minutes=minutes_of_sessions(sessions) if sessions.exists() else None,
            configuration=map(Path, given.configuration),
            datasets=given.datasets,
        )
        write_provenance(Path(snakemake.output[0]), record)
