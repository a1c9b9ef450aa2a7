"""The file of tasks, and which source of a task a study takes."""

from pathlib import Path

import pytest
import yaml

from gtp.config import TaskSpec
from gtp.data.summaries.expectations import Expectations
from gtp.errors import UserError
from gtp.studies import read_mapping
from gtp.studies.tasks import load_tasks

from .study_fixtures import CONFIG, SMOKE, changed, dump, plan_of

TASK = yaml.safe_load((CONFIG / "tasks.yaml").read_text())["pointmaze-umaze"]
GENERATE = TASK["sources"]["generate"]
PAPER_TASKS = read_mapping(CONFIG / "paper.yaml")["tasks"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_episode_stps": 3}, "t.max_episode_stps: unknown key; did you mean 'max_episode_steps'?"),
        ({"suite": "x$(touch y)"}, "t: suite 'x$(touch y)'"),
        ({"suite": "../../.."}, "t: suite '../../..'"),
        ({"sources": {"minari": {"ids": ["../../x-v0"]}}}, "t.sources.minari: a Minari id"),
        ({"sources": {"minari": {"ids": ["/x/y-v0"]}}}, "t.sources.minari: a Minari id"),
        ({"max_episode_steps": 0}, "t.sources.generate: max_episode_steps "),
        ({"start_cell": [1]}, "t.sources.generate.start_cell.1 is missing"),
        ({"sources": {}}, "t.sources: name at least one of generate, minari, d4rl"),
        ({"sources": {"generated": {}}}, "'generated'; did you mean 'generate'?"),
        ({"sources": {"generate": {}}}, "t.sources.generate.recipe is missing; choose one of"),
        ({"sources": {"generate": {"recipe": "antmase"}}}, "did you mean 'antmaze'?"),
        ({"sources": {"generate": {"recipe": "locomotion"}}}, "t.sources.generate.maze: unknown key"),
        ({"sources": {"generate": {"recipe": "waypoint", "steps": 5}}}, "t.sources.generate.steps: "),
        (
            {"sources": {"generate": {"recipe": "waypoint", "goal_cells": [[0, 0]]}}},
            "t.sources.generate: cell (0, 0)",
        ),
        ({"sources": {"generate": {"recipe": "waypoint", "sed": 5}}}, "generate.sed: unknown key; did you m"),
        ({"sources": {"generate": {"expect": {"succes": [0, 1]}}}}, "expect.succes: unknown key; did you me"),
        ({"sources": {"generate": {"expect": {"success": [1, 0]}}}}, "expect: success "),
        ({"sources": {"minari": {"ids": ["hopper"]}}}, "t.sources.minari: a Minari id"),
        ({"sources": {"minari": {"ids": []}}}, "t.sources.minari: ids "),
        ({"sources": {"d4rl": {"id": "hopper"}}}, "t.sources.d4rl: a D4RL id"),
        ({"sources": {"d4rl": {"idd": "hopper-v2"}}}, "t.sources.d4rl.idd: unknown key; did you mean 'id'?"),
    ],
)
def test_mistakes_in_tasks_are_one_line(tmp_path, change, expected):
    file = tmp_path / "tasks.yaml"
    file.write_text(dump({"t": {**TASK, **change}}))
    with pytest.raises(UserError) as error:
        load_tasks(file)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "../a", "x$(touch y)", "-a", "a" * 101])
@pytest.mark.parametrize("field", ["name", "maze"])
def test_names_that_become_paths_are_names_wherever_a_task_comes_from(field, name):
    given = {"name": "t", "environment": "PointMaze_UMaze-v3", "max_episode_steps": 5, field: name}
    with pytest.raises(ValueError, match=f"^{field} '.*' is not a name"):
        TaskSpec(**given)


def tasks_file(folder: Path, **tasks) -> Path:
    """A file of tasks; each is given as its sources."""
    file = folder / "tasks.yaml"
    entries = {name.replace("_", "-"): {**TASK, "sources": sources} for name, sources in tasks.items()}
    file.write_text(dump(entries))
    return file


def on_umaze(**settings) -> dict:
    """The smoke study on one task, with some settings of its own."""
    return {**SMOKE, "tasks": ["pointmaze-umaze"], **settings}


def test_tasks_that_would_write_one_dataset_with_two_seeds_are_refused(tmp_path):
    file = tasks_file(
        tmp_path, pointmaze_umaze={"generate": GENERATE}, umaze={"generate": {**GENERATE, "seed": 1}}
    )
    with pytest.raises(UserError, match=r"both make generated/pointmaze/umaze-2k-v0"):
        plan_of(changed("tasks", ["pointmaze-umaze", "umaze"]), tasks_file=file)


def test_study_takes_each_task_from_its_source(tmp_path):
    minari = {"minari": {"ids": ["a/b-v0"], "reference_max": 5.0}}
    file = tasks_file(tmp_path, pointmaze_umaze={"generate": GENERATE, **minari})
    generated = plan_of(on_umaze(), tasks_file=file)
    assert generated.dataset_id("pointmaze-umaze") == "generated/pointmaze/umaze-2k-v0"
    assert generated.origin("pointmaze-umaze").spec.reference_max == 1.0
    downloaded = plan_of(on_umaze(source="minari"), tasks_file=file)
    assert downloaded.dataset_id("pointmaze-umaze") == "a/b-v0"
    assert downloaded.origin("pointmaze-umaze").spec.reference_max == 5.0
    with pytest.raises(UserError, match="study.yaml: source: pointmaze-umaze.*generate and minari"):
        plan_of(on_umaze(source="d4rl"), tasks_file=file)


def test_task_with_one_source_is_that_ones_whatever_the_study_says():
    assert plan_of(changed("source", "minari")).origin("pointmaze-umaze").source == "generate"


def test_two_sources_in_one_suite_are_refused(tmp_path):
    file = tasks_file(tmp_path, pointmaze_umaze={"generate": GENERATE}, other={"minari": {"ids": ["a/b-v0"]}})
    with pytest.raises(UserError, match="study.yaml: tasks: pointmaze-umaze and other"):
        plan_of(changed("tasks", ["pointmaze-umaze", "other"]), tasks_file=file)


def test_several_minari_datasets_are_one_under_a_name_of_their_own(tmp_path):
    file = tasks_file(tmp_path, pointmaze_umaze={"minari": {"ids": ["a/b-v0", "a/c-v0"]}})
    assert plan_of(on_umaze(), tasks_file=file).dataset_id("pointmaze-umaze") == "combined/pointmaze/umaze-v0"


def test_recipe_is_where_the_task_is_and_holds_actions_as_long():
    plan = plan_of(SMOKE)
    options = plan.origin("pointmaze-umaze").dataset.recipe_options(2000)
    assert (options["maze"], options["action_repeat"], options["steps"]) == ("umaze", 5, 2000)
    assert options["goal_cells"] == ((1, 1), (3, 1), (2, 3))


@pytest.mark.parametrize("task", PAPER_TASKS)
def test_every_task_of_the_paper_comes_from_every_source_that_has_it(task):
    origins = load_tasks(CONFIG / "tasks.yaml")[task].origins
    unpublished = {"minari"} if task.endswith("medium-replay") else set()
    assert set(origins) == {"generate", "minari", "d4rl"} - unpublished
    assert origins["generate"].expect != Expectations()


def test_laptop_study_has_the_papers_tasks_and_the_point_mazes():
    tasks = read_mapping(CONFIG / "laptop.yaml")["tasks"]
    mazes = {f"pointmaze-{name}" for name in ("umaze", "medium", "large", "fork")}
    assert set(tasks) == {*PAPER_TASKS, *mazes, "multigoal"}


def test_a_task_that_clips_actions_has_its_d4rl_file_converted_so(tmp_path):
    entry = {**TASK, "sources": {"d4rl": {"id": "hopper-medium-v2"}}}
    for clip in (True, False):
        file = tmp_path / "tasks.yaml"
        file.write_text(dump({"t": {**entry, "clip_actions": clip}}))
        origin = load_tasks(file)["t"].origins["d4rl"]
        assert origin.dataset.clip_actions is origin.spec.clip_actions is clip
