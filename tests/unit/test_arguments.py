"""Arguments of snakemake at which it would end in a traceback of its own are one line."""

import sys
from pathlib import Path

import pytest
import yaml

from gtp.errors import UserError
from gtp.studies.arguments import check_arguments, check_entry, check_files

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["config/smok.yaml"], "there is no file config/smok.yaml, .*did you mean 'config/smoke.yaml'"),
        (
            ["config/smoke.yaml", "figures"],
            "takes all words that follow it, and figures is no file; put targets first: snakemake figures"
            " --configfile config/smoke.yaml",
        ),
        (["config"], "there is no file config"),
    ],
)
def test_files_that_are_none(files, expected):
    with pytest.raises(UserError, match=expected):
        check_files(files)


def test_a_file_that_is_no_mapping(tmp_path):
    (tmp_path / "study.yaml").write_text("study: [")
    with pytest.raises(UserError, match="study.yaml, line 1: "):
        check_files(["config/smoke.yaml", tmp_path / "study.yaml"])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("train.steps=3", "write a key inside another as --config 'train={steps: 3}'"),
        ("a1.b.c=[1]", "--config 'a1={b: {c: [1]}}'"),
        ("study", "--config study: write name=value, such as study=mine"),
        ("train.steps", "write name=value"),
    ],
)
def test_values_that_are_none(entry, expected):
    with pytest.raises(UserError) as caught:
        check_entry(entry)
    assert expected in str(caught.value)


@pytest.mark.parametrize("entry", ["study=mine", "train={steps: 3}", "seeds=[0, 1]", "source=generate"])
def test_sound_values(entry):
    check_entry(entry)


def test_arguments_are_read_as_snakemake_reads_them(monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["snakemake", "--configfile", "config/smoke.yaml", "-n", "--", "figures"]
    )
    check_arguments()
    monkeypatch.setattr(
        sys, "argv", ["snakemake", "--configfiles", "config/smoke.yaml", "figures", "-c", "1"]
    )
    with pytest.raises(SystemExit, match="^error: --configfile takes all words"):
        check_arguments()
    monkeypatch.setattr(
        sys, "argv", ["snakemake", "all", "--cores=1", "--config", "seeds=[0]", "train.steps=3"]
    )
    with pytest.raises(SystemExit, match="^error: --config train.steps=3: "):
        check_arguments()


def test_every_profile_checks_them():
    profiles = list((ROOT / "profiles").glob("*/*.yaml"))
    assert len(profiles) == 3
    for profile in profiles:
        settings = yaml.safe_load(profile.read_text(encoding="utf-8"))
        assert settings["__use_yte__"] is True
        assert settings["__definitions__"][-1] == "check_arguments()"
