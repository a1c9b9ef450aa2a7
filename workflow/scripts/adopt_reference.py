"""Make the tables of a finished study its committed reference, with a record of where they come from.

`python workflow/scripts/adopt_reference.py config/quick.yaml` fills results/reference/quick/, where no rule
of the workflow writes. From there `snakemake reference` draws figures/ and paper_tables/reference/quick/.
config/online.yaml, methods that train online, and config/oracle.yaml, known answers, are adopted likewise.
With --elsewhere the reference stays as it is, and the record alone is put beside it: digests of what this
machine made of the same study, by which `gtp compare` tells others with its kind of CPU that they repeat it.
"""

import argparse
import csv
import json
import shutil
import subprocess
from pathlib import Path

from gtp.errors import UserError, ending_in_one_line
from gtp.report.provenance import ELSEWHERE, Provenance, read_provenance, write_provenance
from gtp.studies import CONFIGURATION, load_plan, read_mapping
from gtp.studies.provenance import PACKAGES, committed, minutes_of_sessions, provenance_of

REFERENCE = Path("results/reference")
STANDALONE = {
    Path("config/online.yaml"): ("online.csv", "record.json"),
    Path("config/oracle.yaml"): ("solution_map.csv", "theorem.csv", "record.json"),
}
"""Studies that are run beside any other -> what is drawn from; their names are those of target and folder."""


def adopt(study_file: Path, elsewhere: bool = False) -> None:
    """Replace results/reference/<study>/ by the tables of the study that `study_file` describes.

    With `elsewhere` the record alone is put beside what is there. Raises: UserError when the study is not up
    to date with the code, or the code is not committed.
    """
    plan = load_plan(read_mapping(study_file), *CONFIGURATION, file=str(study_file))
    source, target = Path("results", plan.study.study), REFERENCE / plan.study.study
    # Nothing is drawn from the log of training, which is larger than all other tables together.
    tables = sorted({*source.glob("*.csv"), *source.glob("study.json")} - {source / "training.csv"})
    # References of tasks are measured on request only; those that were must be up to date like all else.
    targets = ["reproduce", *(["reference_returns"] if source / "reference_returns.csv" in tables else [])]
    check_up_to_date([*targets, "--configfile", str(study_file)])
    record = provenance_of(
        plan.study.study,
        tables,
        commit=committed(),
        minutes=minutes_of_sessions(Path("logs") / plan.study.study / "sessions.csv"),
        configuration=(study_file, *CONFIGURATION),
        datasets=sorted({plan.dataset_id(task) for task in plan.study.tasks}),
    )
    keep_beside(target, record) if elsewhere else replace_reference(target, tables, record)


def adopt_standalone(study_file: Path) -> None:
    """Replace results/reference/<name>/ by the tables of a study of STANDALONE, those that are finished.

    Raises: UserError as `adopt`.
    """
    name, source = study_file.stem, Path("results", study_file.stem)
    tables = [path for file in STANDALONE[study_file] if (path := source / file).exists()]
    if not any(path.suffix == ".csv" for path in tables) or not (source / "record.json").exists():
        raise UserError(f"{source} has no finished table; run snakemake {name} --cores all")
    check_up_to_date([str(path) for path in tables])
    record = provenance_of(
        name,
        tables,
        commit=committed(),
        minutes=seconds_of_jobs(name) / 60,
        configuration=[study_file],
        packages=(*PACKAGES, "scipy", "stable-baselines3"),
    )
    replace_reference(REFERENCE / name, tables, record)


def seconds_of_jobs(name: str) -> float:
    """Wall-clock seconds of the jobs of a study of STANDALONE, one after the other."""
    runs = Path("results", name).glob("runs/**/seed_*/run.json")
    seconds = [json.loads(path.read_text())["seconds"] for path in runs]
    for path in Path("benchmarks", name).glob("**/*.tsv"):
        with open(path, newline="", encoding="utf-8") as file:
            seconds += [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
    return sum(seconds)


def replace_reference(target: Path, tables: list[Path], record: Provenance) -> None:
    """Let the folder `target` hold copies of these tables and the record of where they come from."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in tables:
        shutil.copyfile(path, target / path.name)
    write_provenance(target / "provenance.json", record)
    print(f"{target} now has the {len(tables)} tables of study {record.study}")


def keep_beside(target: Path, record: Provenance) -> None:
    """Put the record of another machine beside the reference in the folder `target`.

    Raises: UserError where there is none, or one whose methods, tasks or budget are others.
    """
    kept = read_provenance(target / "provenance.json")
    if kept.tables.get("study.json") != record.tables.get("study.json"):
        raise UserError(f"{target} is of another study than {record.study} here: adopt a reference first")
    path = target / ELSEWHERE / f"{record.date}.json"
    write_provenance(path, record)
    print(f"{path} has the digests of what {record.machine} made")


def check_up_to_date(arguments: list[str]) -> None:
    """Raises UserError when snakemake with these arguments, targets first, would still do something."""
    command = ["snakemake", *arguments, "--dry-run", "--cores", "1"]
    plan = subprocess.run(command, capture_output=True, text=True)
    if "Nothing to be done" not in plan.stdout + plan.stderr:
        raise UserError(f"the results are not up to date; run snakemake {' '.join(arguments)} --cores all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study_file", type=Path)
    parser.add_argument(
        "--elsewhere", action="store_true", help="keep the reference, add this machine's record"
    )
    options = parser.parse_args()
    if options.elsewhere and options.study_file in STANDALONE:
        parser.error(f"--elsewhere is for studies of a workflow, not for {options.study_file}")
    with ending_in_one_line():
        if options.study_file in STANDALONE:
            adopt_standalone(options.study_file)
        else:
            adopt(options.study_file, options.elsewhere)


if __name__ == "__main__":
    main()
