"""The list of sources: it is light, and each source says of itself what configuration and messages ask."""

import subprocess
import sys
from pathlib import Path

import pytest

from gtp.data.generate.behaviour.policy import policies_file
from gtp.data.sources import SOURCES, FromD4RL, FromMinari, Generated, how_to_get, implementation


def test_the_list_needs_no_simulator_and_no_file_format():
    code = (
        "import sys, gtp.data.sources\nprint(*{'minari', 'gymnasium', 'h5py', 'mujoco'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_a_module_that_does_its_work(name):
    source, module = SOURCES[name], implementation(name)
    assert source.name == name
    assert source.recorded_here or callable(module.fetch)
    assert source.kind_key is None or module.KINDS


def test_ids_tell_the_task_where_the_entry_does_not():
    generated = Generated(recipe="multigoal")
    assert generated.dataset_id("maze", "large", 20_000) == "generated/maze/large-20k-v0"
    assert FromMinari(ids=("a/b-v0",)).dataset_id("maze", "large", 1) == "a/b-v0"
    assert FromMinari(ids=("a/b-v0", "a/c-v0")).dataset_id("maze", "large", 1) == "combined/maze/large-v0"
    assert FromD4RL(id="hopper-medium-v2").dataset_id("maze", "large", 1) == "d4rl/hopper-medium-v2"


def test_recorded_data_name_the_policies_behind_them():
    locomotion = {"robot": "hopper", "tier": "medium"}
    recorded = Generated(recipe="locomotion", options=tuple(locomotion.items()))
    assert recorded.files_used(1000) == [policies_file("hopper")]
    at_random = Generated(recipe="locomotion", options=tuple((locomotion | {"tier": "random"}).items()))
    assert at_random.files_used(1000) == []
    assert Generated(recipe="antmaze", options=(("maze", "umaze"),)).files_used(1000) == [
        policies_file("ant")
    ]
    assert FromD4RL(id="hopper-medium-v2").files_used(1000) == []


@pytest.mark.parametrize(
    ("dataset_id", "command"),
    [
        ("generated/a/b-v0", "gtp dataset generate <recipe> --id generated/a/b-v0 --root data"),
        ("d4rl/hopper-medium-v2", "gtp dataset fetch d4rl --id hopper-medium-v2 --root data"),
        ("combined/a/b-v0", "gtp dataset fetch minari --dataset_id combined/a/b-v0 --root data"),
        ("D4RL/antmaze/umaze-v1", "MINARI_DATASETS_PATH=data minari download D4RL/antmaze/umaze-v1"),
    ],
)
def test_the_way_to_a_missing_dataset_is_its_sources(dataset_id, command):
    assert command in how_to_get(dataset_id, Path("data"))
