"""A mistake in one of several files, or on the command line, is told of where it was made."""

import pytest

from gtp.errors import UserError
from gtp.studies import Layers, load_plan
from gtp.studies.layers import holds

from .study_fixtures import CONFIG, SMOKE


def merged(base: dict, over: dict) -> dict:
    """Nested mappings laid over others, as Snakemake does."""
    both = {
        key: merged(base[key], value)
        if isinstance(value, dict) and isinstance(base.get(key), dict)
        else value
        for key, value in over.items()
    }
    return base | both


@pytest.mark.parametrize(
    ("first", "second", "typed", "expected"),
    [
        ({"stduy": "x"}, {"seeds": [0]}, {}, "first.yaml: stduy: unknown key; did you mean 'study'?"),
        ({"seeds": [0]}, {"train": {"stepz": 1}}, {}, "second.yaml: train.stepz: unknown key"),
        ({"train": {"stepz": 1}}, {"train": {"steps": 1}}, {}, "first.yaml: train.stepz: unknown key"),
        ({"seeds": [0]}, {}, {"seeeds": [1]}, "--config: seeeds: unknown key; did you mean 'seeds'?"),
        ({"seeds": []}, {"dataset_steps": 5}, {}, "first.yaml: seeds must not be empty"),
        ({"seeds": []}, {}, {"seeds": [0, 0]}, "--config: seeds contains 0 twice"),
        (
            {"train": {"steps": 0}},
            {"train": {"batch_size": 1}},
            {},
            "first.yaml: train: steps must be at least",
        ),
        (
            {"evaluation": {"nfe": [3]}},
            {"seeds": [0]},
            {},
            "first.yaml: evaluation: headline_nfe must be one",
        ),
        (
            {"seeds": [0]},
            {"cost": {"nfe": [1]}},
            {},
            "second.yaml: cost.nfe must contain all of evaluation.nfe",
        ),
        ({"tasks": ["pointmase"]}, {}, {}, "first.yaml: tasks: 'pointmase' has no entry"),
        (
            {"methods": ["gpt"]},
            {"seeds": [0]},
            {"dataset_steps": 5},
            "first.yaml: methods: 'gpt' has no entry",
        ),
        (
            {"tasks": ["hopper-medium-replay"]},
            {},
            {"source": "minari"},
            "--config: source: hopper-medium-replay has no data from minari",
        ),
        ({"train_by_suite": {"antmase": {}}}, {}, {}, "first.yaml: train_by_suite.antmase: unknown suite"),
    ],
)
def test_the_layer_with_the_mistake_is_named(first, second, typed, expected):
    layers = {"default.yaml": SMOKE, "first.yaml": first, "second.yaml": second, "--config": typed}
    settings = SMOKE
    for layer in (first, second, typed):
        settings = merged(settings, layer)
    files = [CONFIG / f"{name}.yaml" for name in ("methods", "tasks", "trials")]
    with pytest.raises(UserError) as caught:
        load_plan(settings, *files, file=Layers(layers))
    assert str(caught.value).startswith(expected)


def test_what_no_layer_has_is_told_of_the_last_that_has_its_group():
    layers = Layers({"a": {"train": {"steps": 1}, "x": [1, 2]}, "b": {"y": 1}})
    assert layers.owner(("train", "stps")) == "a"
    assert layers.owner(("x", 1)) == "a"
    assert layers.owner(()) == "b"
    assert layers.owner((), message="train.steps must be even") == "a"
    assert holds({"x": [1]}, ("x", 0))
    assert not holds({"x": 1}, ("x", "y"))
