"""The scripts of the tables, as the workflow runs them."""

import io
import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from gtp.report.results import read_results, read_study
from gtp.report.statistics import seed_scores

from .results_fixtures import write_study

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
TABLES = {  # table -> its script, its input and its parameters
    "main": ("scores", "scores", {"group": "rl"}),
    "cloning": ("scores", "scores", {"group": "cloning"}),
    "aggregates": ("aggregates", "scores", {}),
    "ablations": ("ablations", "scores", {}),
    "cost": ("cost", "cost", {}),
    "paper_cloning": ("paper_scores", "scores", {"group": "cloning"}),
    "paper_rewards": ("paper_scores", "scores", {"group": "rl"}),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    tasks = {"pointmaze-umaze": "U-Maze", "pointmaze-medium": "Medium"}
    return write_study(
        tmp_path_factory.mktemp("results") / "study",
        tasks=tasks,
        episodes=3,
        diverged=("pointmaze-medium", "gtp", 2),
    )


def run_script(name: str, source: Path, folder: Path) -> dict[str, bytes]:
    """Run a script as Snakemake does; what it wrote, by ending."""
    script, table, params = TABLES[name]
    outputs = {ending: str(folder / f"{name}.{ending}") for ending in ("md", "tex", "csv")}
    inputs = {table: str(source / f"{table}.csv"), "study": str(source / "study.json")}
    parts = {"input": inputs, "output": outputs, "params": params}
    call = SimpleNamespace(**{part: SimpleNamespace(**values) for part, values in parts.items()})
    runpy.run_path(str(SCRIPTS / f"table_{script}.py"), {"snakemake": call}, "__main__")
    return {ending: Path(path).read_bytes() for ending, path in outputs.items()}


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """What each script makes of the results."""
    return {name: run_script(name, results, tmp_path_factory.mktemp("tables")) for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_scripts_write_the_same_bytes_twice(results, tmp_path, written, name):
    assert run_script(name, results, tmp_path) == written[name]


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_well_formed(written, name):
    files = written[name]
    lines = [line for line in files["md"].decode().splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    tex = files["tex"].decode()
    assert re.sub(r"\\[{}]", "", tex).count("{") == re.sub(r"\\[{}]", "", tex).count("}")
    body = tex.split("\\toprule")[1].split("\\bottomrule")[0]
    assert len({row.count("&") for row in body.splitlines() if "&" in row}) == 1
    assert not set(tex) & set("±−†–")


@pytest.mark.parametrize(("name", "group"), [("main", "rl"), ("cloning", "cloning")])
def test_csv_of_the_scores_has_twelve_digits(results, written, name, group):
    numbers = pd.read_csv(io.BytesIO(written[name]["csv"]), float_precision="round_trip")
    study = read_study(results / "study.json")
    scores = seed_scores(read_results(results / "scores.csv", "scores"), study, "scores.csv")
    cells = numbers.query("over == 'task'")
    ways = sum(len(method.acting) for method in study.methods if method.group == group)
    assert len(cells) == len(study.tasks) * ways
    for cell in cells.itertuples():
        mean = scores.of(cell.task, cell.method, cell.nfe, cell.acting).mean()
        assert cell.estimate == float(f"{mean:.12g}")


@pytest.mark.parametrize("name", TABLES)
def test_scripts_end_with_one_line_about_a_bad_file(results, tmp_path, name):
    (tmp_path / "study.json").write_text((results / "study.json").read_text())
    file = tmp_path / f"{TABLES[name][1]}.csv"
    file.write_text("study,task\n")
    with pytest.raises(SystemExit, match=rf"^error: {re.escape(str(file))} lacks the column .*run snakemake"):
        run_script(name, tmp_path, tmp_path)
    record = json.loads((tmp_path / "study.json").read_text())
    del record["nfe"]
    (tmp_path / "study.json").write_text(json.dumps(record))
    with pytest.raises(SystemExit, match="study.json lacks the key 'nfe'"):
        run_script(name, tmp_path, tmp_path)
    assert not list(tmp_path.glob("*.tex"))
