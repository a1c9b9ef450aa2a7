"""Reading YAML, checking it against dataclasses, and the words made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtp.config import TrainConfig
from gtp.data.sources import abbreviate
from gtp.errors import UserError
from gtp.studies import flags, read_mapping
from gtp.studies.reading import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "line 2: the key 'a' stands here twice"),
        ("a: {b: 1, b: 2}\n", "the key 'b' stands here twice"),
        ("a: [1\n", "line 2: "),
        ("- a\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: &x [1]\nb: *x\n", "line 1: write out 'x'; anchors (&, *) are not read"),
        ("b: *x\n", "line 1: write out 'x'; anchors"),
        ("a: " + "[" * 30 + "]" * 30, "line 1: nested more than 20 levels deep"),
        ("a: " + "[" * 5000, "nested more than 20 levels deep"),
        ("a: !!python/object/apply:os.system [true]\n", "line 1: could not determine a constructor"),
        ("a: 2020-13-45\n", "is not YAML: month must be in 1..12"),
        ("a: " + "9" * 5000, "is not YAML: Exceeds the limit"),
        ("a: b\0\n", "is not YAML"),
        ("a: " + "b" * 300_000, "is larger than 256 kB"),
    ],
)
def test_unsound_yaml_is_one_line(tmp_path, text, expected):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_mapping(file)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"), [("label: {{name}}\n", "a key must be a name"), ("a: \x07\n", "is not YAML")]
)
def test_unreadable_yaml_is_one_line(tmp_path, text, problem):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError, match=problem) as caught:
        read_mapping(tmp_path / "study.yaml")
    assert "\n" not in str(caught.value)


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        read_mapping(tmp_path / "nowhere.yaml")


def test_train_config_is_read_without_conversion():
    assert parse(TrainConfig, {"learning_rate": 1, "steps": 3}, "f").learning_rate == 1.0


def test_flags_are_the_words_that_the_command_line_expects():
    values = {"steps": 5, "flag": True, "cells": ((6, 1), (2, 3)), "none": None, "empty": ()}
    words = ["--task.steps", "5", "--task.flag", "True", "--task.cells", "6", "1", "2", "3"]
    assert flags(values, "task.") == words


@pytest.mark.parametrize(
    ("steps", "name"),
    [(2000, "2k"), (100_000, "100k"), (1_000_000, "1m"), (1_500_000, "1500k"), (2500, "2500")],
)
def test_abbreviations(steps, name):
    assert abbreviate(steps) == name


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_different_counts_have_different_abbreviations(a, b):
    assert (abbreviate(a) == abbreviate(b)) == (a == b)
