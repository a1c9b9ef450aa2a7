"""config/oracle.yaml and the mistakes that it may hold."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

from gtp.config import MixtureName
from gtp.errors import UserError
from gtp.evaluation.oracle import MIXTURES
from gtp.studies import load_plan, read_mapping
from gtp.studies.oracle import load_oracle, oracle_record

CONFIG = Path(__file__).parents[2] / "config"
FILE = CONFIG / "oracle.yaml"
PLAN = load_plan(
    read_mapping(CONFIG / "smoke.yaml"), *(CONFIG / f"{name}.yaml" for name in ("methods", "tasks", "trials"))
)


def load(tmp_path, change=lambda study: None):
    study = yaml.safe_load(FILE.read_text())
    change(study)
    (tmp_path / "oracle.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return load_oracle(tmp_path / "oracle.yaml", PLAN.methods)


def test_names_of_mixtures_are_those_that_there_are():
    assert set(get_args(MixtureName)) == set(MIXTURES)


def test_the_shipped_study_has_the_ablations_of_the_losses():
    study = load_oracle(FILE, PLAN.methods)
    assert next(iter(study.methods)) == "gtp"
    assert {"gtp-no_consistency", "gtp-ode_solver", "gtp-shortcut", "gtp-mean_flow"} <= set(study.methods)
    assert len(study.seeds) >= 3
    options = study.options("wide")
    assert (options["mixture"], options["train.steps"]) == ("wide", study.train.steps)
    assert study.theorem_options("wide")["samples"] == study.samples


def test_the_record_has_the_looks_of_other_studies(tmp_path):
    record = oracle_record(load(tmp_path), PLAN)
    places = PLAN.places()
    assert [(m.name, m.order) for m in record.methods] == [(m.name, places[m.name]) for m in record.methods]
    assert [m.ablation for m in record.methods] == [False] + [True] * (len(record.methods) - 1)


MISTAKES = {
    "no such mixture": (
        lambda study: study["mixtures"].update(round="Round"),
        "expected corners or off_centre or wide",
    ),
    "no such method": (lambda study: study["methods"].append("gtp-no_flaw"), "did you mean 'gtp-no_flow'"),
    "no map": (lambda study: study["methods"].append("iql"), "'iql' is no setting of gtp"),
    "no seeds": (lambda study: study.update(seeds=[]), "seeds must not be empty"),
    "equal K": (lambda study: study.update(nfe=[1, 1]), "nfe contains an entry twice"),
    "K of 0": (lambda study: study.update(nfe=[0]), "nfe must be at least 1, got 0"),
    "no samples": (lambda study: study.update(samples=0), "samples must be at least 1, got 0"),
    "budget": (
        lambda study: study["train"].update(stesp=1),
        "train.stesp: unknown key; did you mean 'steps'",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(tmp_path, name):
    change, message = MISTAKES[name]
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path, change)
    assert len(str(caught.value).splitlines()) == 1
