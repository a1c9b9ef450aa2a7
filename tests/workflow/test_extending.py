"""The examples of docs/extending.md: what they touch is enough, as for a newcomer who reads the page."""

import json
import re
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from gtp.data.transitions import load_transitions
from gtp.studies.tasks import load_tasks
from tests.unit.results_fixtures import LOCOMOTION_TASKS, write_study

from .conftest import ROOT

REGISTRY = "gtp/report/registry.py"
LENGTHS = "workflow/scripts/figure_lengths.py"
NPZ = "gtp/data/sources/npz.py"
ACTION_SIZES = "workflow/scripts/figure_action_sizes.py"

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """The one block of docs/extending.md whose introduction ends in `name` and a colon."""
    (block,) = re.findall(rf"`{re.escape(name)}`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return block


@pytest.mark.slow
def test_a_figure_is_a_script_and_an_entry(checkout):
    folder = checkout.folder
    (folder / LENGTHS).write_text(example(LENGTHS))
    shutil.rmtree(folder / "results/reference")
    write_study(folder / "results/reference/robots", tasks=LOCOMOTION_TASKS, seeds=2, episodes=2)
    figure = "figures/reference/robots/lengths.pdf"
    with checkout.edited(REGISTRY, "\nFIGURES = (\n", f"\nFIGURES = (\n{example('FIGURES')}"):
        plan = checkout.snakemake("reference", "-n")
        assert re.search(r"^figure_lengths +1$", plan.stdout, re.MULTILINE), plan.stdout[-3000:]
        result = checkout.snakemake(figure, "--cores", "1")
        report = checkout.snakemake(figure, "--report", "report.html")
    assert result.returncode == 0, result.stdout[-3000:]
    assert report.returncode == 0, report.stdout[-3000:]
    page = (folder / "report.html").read_text()
    assert "<p>Mean number of steps of an episode, over seeds" in page  # the caption, not the parameter
    assert "ways of acting in reference/robots.</p>" in page
    assert (folder / figure).read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_a_figure_with_a_table_of_its_own_takes_five_files(checkout):
    (checkout.folder / ACTION_SIZES).write_text(example(ACTION_SIZES))
    schema, verbs, rules = "gtp/schema.py", "gtp/cli/evaluate.py", "workflow/rules/evaluate.smk"
    study = ["--configfile", "config/smoke.yaml", "--config", 'tasks=["pointmaze-umaze"]', 'methods=["gtp"]']
    study += ['trajectories={"methods":["gtp"]}']
    with (
        checkout.edited(schema, "def column_kinds(", f"{example(schema)}\n\ndef column_kinds("),
        checkout.edited(schema, "\nTABLES = {\n", f"\nTABLES = {{\n{example('TABLES')}"),
        checkout.edited(verbs, "import EndPoint,", "import ActionSize, EndPoint,"),
        checkout.edited(verbs, "VERBS = {\n", f"{example(verbs)}\n\nVERBS = {{\n{example('VERBS')}"),
        checkout.extended(rules, f"\n\n{example(rules)}"),
        checkout.edited(REGISTRY, "\nFIGURES = (\n", f"\nFIGURES = (\n{example(REGISTRY)}"),
    ):
        style = checkout.run("ruff", "check", schema, verbs, REGISTRY, ACTION_SIZES)
        result = checkout.snakemake("figures/smoke/action_sizes.pdf", "--cores", "2", *study)
    assert style.returncode == 0, style.stdout
    assert result.returncode == 0, result.stdout[-5000:]
    assert (checkout.folder / "figures/smoke/action_sizes.pdf").read_bytes().startswith(b"%PDF")
    table = (checkout.folder / "results/smoke/action_sizes.csv").read_text().splitlines()
    assert table[0] == "study,task,method,seed,state,size"
    assert len(table) == 1 + 100


def test_a_suite_is_an_addition_to_the_tasks(checkout):
    file = checkout.folder / "config/tasks.yaml"
    file.write_text(f"{file.read_text()}\n{example('config/tasks.yaml')}")
    added = [task for name, task in load_tasks(file).items() if name.startswith("bends-")]
    assert [task.suite for task in added] == ["bends", "bends"]
    names = [task.name for task in added]
    study = ["--configfile", "config/smoke.yaml", "--config", f"tasks={names}".replace("'", '"')]
    files = [f"results/smoke/runs/{name}/gtp/seeds_0-1/scores.csv" for name in names]
    plan = checkout.snakemake(*files, "-n", *study)
    assert re.search(r"^train_bends +2$", plan.stdout, re.MULTILINE), plan.stdout[-3000:]


def test_a_source_is_a_class_and_a_module(checkout):
    folder, tasks, sources = checkout.folder, "config/tasks.yaml", "gtp/data/sources/__init__.py"
    record_pendulum(folder / "recordings/pendulum")
    (folder / NPZ).write_text(example(NPZ))
    study = ["--configfile", "config/smoke.yaml", "--config", 'tasks=["pendulum-own"]']
    prepared = "results/smoke/data/pendulum-own/transitions.safetensors"
    fetch = "python -m gtp dataset fetch npz --environment Pendulum-v1 --folder none"
    fetch += " --dataset_id npz/a/b-v0 --root r"
    with (
        checkout.edited(sources, "\n\nSOURCES: ", f"\n\n{example(sources)}\n\nSOURCES: "),
        checkout.edited(sources, "FromMinari, FromD4RL)", "FromMinari, FromD4RL, FromNpz)"),
        checkout.extended(tasks, f"\n{example('tasks.yaml')}"),
    ):
        checkout.run("ruff", "format", sources)  # SOURCES no longer fits a line
        style = checkout.run("ruff", "check", sources, NPZ)
        result = checkout.snakemake(prepared, "--cores", "1", *study)
        refused = checkout.run(*fetch.split())
    assert style.returncode == 0, style.stdout
    assert result.returncode == 0, result.stdout[-5000:]
    card = json.loads((folder / "resources/minari/npz/pendulum/own-v0/card.json").read_text())
    assert (card["source"], card["episodes"], card["steps"]) == ("npz", 2, 400)
    data = load_transitions(folder / prepared)
    assert data.observations.shape == (400, 3)
    assert data.terminations.sum() == 0
    checked = json.loads((folder / "results/smoke/data/pendulum-own/validation.json").read_text())
    assert checked["episode_length"] == 200
    assert refused.stdout.count("\n") == 1
    assert "there is no .npz file in none" in refused.stdout


def record_pendulum(folder: Path) -> None:
    """Two episodes of random actions, each in a file."""
    folder.mkdir(parents=True)
    environment = gym.make("Pendulum-v1")
    for seed in (0, 1):
        environment.action_space.seed(seed)
        observations, actions, rewards = [environment.reset(seed=seed)[0]], [], []
        truncated = False
        while not truncated:
            actions.append(environment.action_space.sample())
            observation, reward, _, truncated, _ = environment.step(actions[-1])
            observations.append(observation)
            rewards.append(reward)
        arrays = {"observations": observations, "actions": actions, "rewards": rewards}
        np.savez(folder / f"{seed}.npz", terminated=False, **arrays)


def test_the_page_names_files_that_there_are():
    named = set(re.findall(r"`((?:gtp|workflow|config|tests)/[\w/.]+\.\w+)`", PAGE))
    examples = {LENGTHS, ACTION_SIZES, NPZ}
    assert named >= examples
    assert {name for name in named - examples if not (ROOT / name).exists()} == set()
