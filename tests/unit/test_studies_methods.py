"""The file of methods: each kind of mistake is one helpful line."""

import pytest
import yaml

from gtp import algorithms
from gtp.errors import UserError
from gtp.studies.methods import load_methods
from gtp.studies.reading import parse

from .study_fixtures import CONFIG, SMOKE, dump, plan_of

METHOD = {"algorithm": "gtp", "label": "L", "group": "rl"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"a": {**METHOD, "set": {"etaa": 1.0}}}, "a.set.etaa: unknown key; did you mean 'eta'?"),
        ({"a": {**METHOD, "set": {"eta": -1.0}}}, "a.set: eta "),
        ({"a": {**METHOD, "set": {"score": "sde_solver"}}}, "or ode_solver, got 'sde_solver'"),
        (
            {"a": {**METHOD, "set_by_suite": {"antmaze": {"etaa": 1.0}}}},
            "a.set_by_suite.antmaze.etaa: unknown",
        ),
        (
            {"a": {**METHOD, "set_by_suite": {"antmaze": {"eta": -1.0}}}},
            "a.set_by_suite.antmaze: eta ",
        ),
        ({"a": {**METHOD, "algorithm": "gpt"}}, "a.algorithm: unknown algorithm 'gpt'; did you mean 'gtp'?"),
        ({"a": {**METHOD, "grp": "rl"}}, "a.grp: unknown key; did you mean 'group'?"),
        ({"a": {"algorithm": "gtp", "group": "rl"}}, "a.label is missing"),
        ({"a": {**METHOD, "label": " "}}, "a.label is empty"),
        ({"a": METHOD, "b": METHOD}, "b.label: 'L'"),
        ({"a": None}, "a: expected a mapping"),
        ({"a b": METHOD}, "'a b' is not a name"),
        ({"a;touch b": METHOD}, "'a;touch b' is not a name"),
        ({"gtp": METHOD, "gtp-x": {**METHOD, "ablation_of": "gpt"}}, "unknown method 'gpt'; did you mean"),
        ({"gtp": METHOD, "a": {**METHOD, "label": "A", "weights_of": "gpt"}}, "a.weights_of: unknown method"),
        (
            {"b": {**METHOD, "algorithm": "fql"}, "a": {**METHOD, "weights_of": "b", "label": "A"}},
            "weights_of",
        ),
        (
            {"gtp": METHOD, "a": {**METHOD, "weights_of": "gtp", "label": "A", "set": {"rho": 3.0}}},
            "'rho' belongs",
        ),
        (
            {"gtp": METHOD, "a": {**METHOD, "size_of": "gpt", "label": "A"}},
            "a.size_of: unknown method 'gpt'; did you mean 'gtp'?",
        ),
        (
            {"fql": {**METHOD, "algorithm": "fql"}, "a": {**METHOD, "size_of": "fql", "label": "A"}},
            "a.size_of: 'fql' is fql and 'a' gtp; name a method of that algorithm",
        ),
        (
            {
                "gtp": METHOD,
                "a": {**METHOD, "size_of": "gtp", "label": "A"},
                "b": {**METHOD, "size_of": "a", "label": "B"},
            },
            "b.size_of: 'a' is a size of 'gtp' itself; name that",
        ),
        ({"gtp": METHOD, "no_x": {**METHOD, "ablation_of": "gtp"}}, "no_x.ablation_of: "),
        (
            {
                "gtp": METHOD,
                "fql": METHOD,
                "gtp-x": {**METHOD, "ablation_of": "gtp"},
                "fql-x": {**METHOD, "ablation_of": "fql"},
            },
            "fql-x.ablation_of: ",
        ),
    ],
)
def test_mistakes_in_methods_are_one_line(tmp_path, entries, expected):
    file = tmp_path / "methods.yaml"
    file.write_text(dump(entries, sort_keys=False))
    with pytest.raises(UserError) as error:
        load_methods(file)
    assert expected in str(error.value)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_settings_of_a_suite_are_put_over_those_of_the_method(tmp_path):
    file = tmp_path / "methods.yaml"
    settings = {"set": {"eta": 2.0, "rho": 5.0}, "set_by_suite": {"antmaze": {"eta": 3.0}}}
    file.write_text(dump({"a": {**METHOD, **settings}}))
    method = load_methods(file)["a"]
    assert method.settings("antmaze") == {"eta": 3.0, "rho": 5.0}
    assert method.settings("locomotion") == {"eta": 2.0, "rho": 5.0}


def test_settings_of_an_unknown_suite_are_refused(tmp_path):
    file = tmp_path / "methods.yaml"
    methods = yaml.safe_load((CONFIG / "methods.yaml").read_text())
    methods["gtp"]["set_by_suite"] = {"antmase": {"eta": 3.0}}
    file.write_text(dump(methods))
    with pytest.raises(UserError, match="gtp.set_by_suite.antmase: unknown suite; did you mean 'antmaze'"):
        plan_of(SMOKE, methods_file=file)


def test_every_algorithms_defaults_pass_the_check_of_methods():
    for name in algorithms.names():
        parse(algorithms.get(name), {}, "methods.yaml")


@pytest.mark.parametrize("source", ["def broken(:", "raise ImportError('no such thing')", "x = 1"])
def test_an_unsound_file_of_a_method_is_named(tmp_path, monkeypatch, source):
    (tmp_path / "unsound.py").write_text(source)
    monkeypatch.setattr(algorithms, "__path__", [*algorithms.__path__, str(tmp_path)])
    with pytest.raises(UserError, match=r"gtp/algorithms/unsound\.py is not a method \(") as caught:
        algorithms.get("unsound")
    assert "\n" not in str(caught.value)
