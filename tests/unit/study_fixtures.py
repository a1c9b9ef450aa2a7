"""A study to change: the smoke study, and what becomes of it."""

import copy
from pathlib import Path

import pytest
import yaml

from gtp.errors import UserError
from gtp.studies import load_plan

CONFIG = Path(__file__).parents[2] / "config"
SMOKE = yaml.safe_load((CONFIG / "smoke.yaml").read_text())


def plan_of(settings, **files):
    """The plan of a study's settings, with the shipped methods and tasks unless given."""
    names = {f"{name}_file": CONFIG / f"{name}.yaml" for name in ("methods", "tasks", "trials")} | files
    return load_plan(settings, **names, file="study.yaml")


def changed(path: str, value) -> dict:
    """The smoke study with one key, such as train.steps, set to another value."""
    settings = copy.deepcopy(SMOKE)
    *parents, last = path.split(".")
    target = settings
    for parent in parents:
        target = target[parent]
    target[last] = value
    return settings


def message_of(settings) -> str:
    with pytest.raises(UserError) as error:
        plan_of(settings)
    assert "\n" not in str(error.value)
    return str(error.value)


class _Plain(yaml.SafeDumper):
    """Writes out what stands in several places, as files of the configuration must."""

    def ignore_aliases(self, data):
        return True


def dump(data, **options) -> str:
    """A configuration as YAML without anchors."""
    return yaml.dump(data, Dumper=_Plain, **options)
