"""The registry of figures and tables: its entries are whole, and a study gets those that fit it."""

from dataclasses import replace
from pathlib import Path

import pytest

from gtp.report.registry import (
    FIGURES,
    ORACLE_FIGURES,
    ORACLE_TABLES,
    PRINTED_TABLES,
    Product,
    of_study,
)
from gtp.report.results import read_study
from gtp.schema import TABLES

from .results_fixtures import LOCOMOTION_TASKS, MAZE_TASKS, write_study

WORKFLOW = Path(__file__).parents[2] / "workflow"
ENTRIES = [("figure", product) for product in (*FIGURES, *ORACLE_FIGURES)]
ENTRIES += [("table", product) for product in (*PRINTED_TABLES, *ORACLE_TABLES)]
NAMES = [f"{kind}_{product.name}" for kind, product in ENTRIES]


@pytest.mark.parametrize(("kind", "product"), ENTRIES, ids=NAMES)
def test_an_entry_has_its_script_and_its_inputs(kind, product):
    script = WORKFLOW / f"scripts/{product.script or f'{kind}_{product.name}'}.py"
    text = script.read_text()
    assert not product.more or "snakemake.input.more" in text
    for given in (*product.tables, *product.files):
        assert f"snakemake.input.{given}" in text
    for option in product.options:
        assert f"snakemake.params.{option}" in text
    assert {*product.tables, *product.more} <= set(TABLES)
    assert all((WORKFLOW.parent / file).exists() for file in product.files.values())


@pytest.mark.parametrize(("kind", "product"), ENTRIES, ids=NAMES)
def test_a_caption_is_whole_sentences_about_a_view(kind, product):
    caption = product.caption.format(view="smoke")  # as Snakemake fills in a parameter
    assert caption.endswith(".")
    assert len(caption) <= 3 * 110  # three lines
    assert not set("{}<>") & set(caption)
    assert "  " not in caption


def test_no_script_lacks_an_entry():
    assert len(set(NAMES)) == len(NAMES)
    scripts = {product.script or f"{kind}_{product.name}" for kind, product in ENTRIES}
    there = {path.stem for path in (WORKFLOW / "scripts").glob("*.py")}
    assert {name for name in there if name.startswith(("figure_", "table_"))} == scripts


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of mazes and robots with an ablation and methods that clone."""
    tasks = MAZE_TASKS | LOCOMOTION_TASKS
    folder = write_study(tmp_path_factory.mktemp("s") / "study", tasks=tasks, seeds=1, episodes=1)
    return read_study(folder / "study.json")


def test_a_study_has_the_figures_of_its_kinds_of_tasks(study):
    mazes = replace(study, tasks=tuple(task for task in study.tasks if task.maze))
    robots = replace(study, tasks=tuple(task for task in study.tasks if not task.maze))
    both, of_mazes, of_robots = (set(of_study(FIGURES, s)) for s in (study, mazes, robots))
    # Three mazes are too few tasks for a profile.
    assert both - of_mazes == {"dataset_returns", "profiles"}
    assert both - of_robots == {"coverage", "rollouts"}
    assert "trials" not in both
    assert "budget" not in both
    assert set(of_study(FIGURES, replace(study, steps=50_000))) - both == {"budget"}


def test_a_study_has_the_tables_of_its_methods(study):
    everything = set(of_study(PRINTED_TABLES, study))
    alone = replace(study, methods=study.methods[:1])
    assert everything - set(of_study(PRINTED_TABLES, alone)) == {
        "cloning",
        "ablations",
        "paper_cloning",
        "paper_components",
    }
    clones = replace(study, methods=tuple(m for m in study.methods if m.group == "cloning"))
    assert "main" not in of_study(PRINTED_TABLES, clones)
    assert "ablations" not in of_study(PRINTED_TABLES, clones)  # whose parent is missing
    unknown = replace(study, tasks=tuple(replace(task, name=f"my-{task.name}") for task in study.tasks))
    assert everything - set(of_study(PRINTED_TABLES, unknown)) == {"published"}


def test_a_study_of_trials_has_nothing_else_but_claims(study):
    trials = tuple(replace(method, trial_of="gtp", settings="eta = 1") for method in study.methods)
    assert of_study(FIGURES, replace(study, methods=trials)) == ["trials"]
    assert of_study(PRINTED_TABLES, replace(study, methods=trials)) == ["claims", "trials"]


def test_a_committed_reference_lacks_what_its_tables_do_not_allow(study):
    older = set(TABLES) - {"cost"}
    assert set(of_study(FIGURES, study)) - set(of_study(FIGURES, study, older)) == {"speed"}
    new = Product(name="new", label="new", caption="New.", tables=("scores", "attention"))
    coming = (*FIGURES, new)
    assert set(of_study(coming, study)) - set(of_study(coming, study, TABLES)) == {"new"}
