"""config/online.yaml and the mistakes that it may hold."""

from pathlib import Path

import pytest
import yaml

from gtp.errors import UserError
from gtp.studies.online import execution_flags, load_online

FILE = Path(__file__).parents[2] / "config/online.yaml"
AFTER = """
algorithm: mbdpo
label: After
set: {size: nano, batch_size: 32}
offline_first: {data_of: mbdpo, updates: 10}
"""


def load(tmp_path, change=lambda study: None):
    study = yaml.safe_load(FILE.read_text())
    study["methods"]["after"] = yaml.safe_load(AFTER)
    change(study)
    (tmp_path / "online.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return load_online(tmp_path / "online.yaml")


def test_the_shipped_study_has_the_rivals_that_a_reader_expects():
    study = load_online(FILE)
    assert next(iter(study.methods)) == "mbdpo"
    settings = {name: method.set for name, method in study.methods.items()}
    assert settings["mbdpo-eta_0"] == settings["mbdpo"] | {"eta": 0.0}
    assert study.methods["sac"].algorithm == "sac"
    assert len(study.seeds) >= 3


def test_an_environment_that_there_is_none_of_is_told(tmp_path):
    with pytest.raises(UserError, match="online.yaml: environments: unknown .* did you mean 'Pendulum-v1'"):
        load(tmp_path, lambda study: study.update(environments=["Pendulun-v1"]))


def test_options_of_runs_and_of_training_before_them(tmp_path):
    study = load(tmp_path)
    options = study.options("mbdpo", "Pendulum-v1")
    assert (options["save_data"], options["label"], options["steps"]) == (True, "mbdpo", study.steps)
    assert "save_data" not in study.options("after", "Pendulum-v1")
    assert study.offline_options("after") == {"size": "nano", "train.steps": 10, "train.batch_size": 32}
    assert execution_flags(study, "sac") == {"threads": 1}
    assert execution_flags(study, "mbdpo")["execution.device"] == "cpu"


def setting(method: str, **values):
    """A change of what a method sets."""
    return lambda study: study["methods"][method]["set"].update(values)


def before(**values):
    """A change of the training offline."""
    return lambda study: study["methods"]["after"]["offline_first"].update(values)


MISTAKES = {
    "no such flag": (setting("mbdpo", etta=1), "mbdpo.set.etta: unknown key; did you mean 'eta'"),
    "flag of another": (
        lambda study: study["methods"]["sac"].update(set={"eta": 1.0}),
        "sac.set.eta: unknown key",
    ),
    "no such key": (
        lambda study: study["methods"]["sac"].update(labl="x"),
        "methods.sac.labl: unknown key; did you mean 'label'",
    ),
    "no such key before": (before(kep_data=True), "after.offline_first.kep_data: unknown key; did you mean"),
    "bad value": (setting("mbdpo", nfe=0), "nfe must be at least 1, got 0"),
    "no such size": (setting("mbdpo", size="huge"), "expected nano or tiny"),
    "no such method": (
        lambda study: study["methods"]["sac"].update(algorithm="ppo"),
        "expected mbdpo or sac, got 'ppo'",
    ),
    "data of none": (before(data_of="mbdp"), "did you mean 'mbdpo'"),
    "data of itself": (before(data_of="after"), "another method"),
    "data of sac": (before(data_of="sac"), "only mbdpo leaves"),
    "budget": (before(train={"step": 1}), "unknown key step"),
    "no seeds": (lambda study: study.update(seeds=[]), "seeds must not be empty"),
    "equal seeds": (lambda study: study.update(seeds=[1, 1]), "seeds contains an entry twice"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path, name):
    change, message = MISTAKES[name]
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path, change)
    assert len(str(caught.value).splitlines()) == 1
