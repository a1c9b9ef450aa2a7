"""Policies as ONNX graphs: they say what the policy says, and their cards say what they are."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gtp
from gtp import algorithms
from gtp.acting import ActingRule
from gtp.cli.export import export
from gtp.data.transitions import save_transitions
from gtp.errors import UserError
from gtp.export import bundle
from gtp.export.check import TOLERANCE, largest_difference, noise_of, open_graph
from gtp.export.graph import build_graph, log_ndtr, quiet, settle
from gtp.files import sha256_of, write_text
from gtp.networks import Sizes
from gtp.policy import Frame, Policy, save_policy
from gtp.schema import Episode, column_kinds
from gtp.training.learner import initialise

from .training_fixtures import CONFIG, tiny_transitions

SEEDS = [0, 3]
SMALL = replace(CONFIG, hidden_size=8, hidden_layers=1)
FRAME = Frame.of(tiny_transitions(), SMALL)._replace(
    action_low=torch.tensor([-2.0, 0.0]), action_high=torch.tensor([2.0, 1.0])
)
METHODS = [name for name in algorithms.names() if not algorithms.get(name).has_memory]


def write_policy(path: Path, name: str, diverged_at: tuple[int, ...] = (-1, -1)) -> Path:
    """A policy file of a method as it is before training, whose last layers are ten times as large.

    So its actions differ from state to state, and some reach the edge of the box.
    """
    algorithm = algorithms.get(name)()
    _, params = initialise(algorithm, Sizes(3, 2, 8, 1), SEEDS, torch.device("cpu"))
    stored = {
        f"{network}/{leaf}": value * (10.0 if "output" in leaf else 1.0)
        for network in (*algorithm.acting_networks, *filter(None, [algorithm.critic]))
        for leaf, value in params[network].items()
    }
    save_policy(
        path,
        algorithm,
        stored,
        config=SMALL,
        frame=FRAME,
        label=name,
        seeds=SEEDS,
        step=120,
        diverged_at=list(diverged_at),
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Policy files of some methods, by name."""
    folder = tmp_path_factory.mktemp("policies")
    for name in algorithms.names():
        write_policy(folder / f"{name}.safetensors", name)
    return folder


def load(folder: Path, name: str) -> Policy:
    return gtp.load_policy(folder / f"{name}.safetensors", seed=3)


OTHER_RULES = {
    "consistency_ac": "best_of_4_at_0.5",
    "ctm": "best_of_4",
    "diffusion_bc": "mean_of_3",
    "fql": "noise_0.5",
}
"""Exports take seconds, so each method acts by one rule: these, all others by one sample."""


@pytest.mark.parametrize("name", METHODS)
def test_a_graph_acts_as_its_policy(folder, name):
    policy, acting = load(folder, name), OTHER_RULES.get(name, "sample")
    rule, nfe = settle(policy, 2, acting)
    session = open_graph(build_graph(policy, rule, nfe, {"what": "a test"}))
    assert {tensor.shape[0] for tensor in (*session.get_inputs(), *session.get_outputs())} == {"batch"}
    run = session.run
    obs = 3.0 * np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    for count in (64, 1):
        policy.reset()
        expected = policy.act(obs[:count], 2, acting)
        found = run(None, {"observation": obs[:count]} | noise_of(policy, rule, nfe, count))[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
        assert count == 1 or expected.std(axis=0).min() > 0.02
    assert largest_difference(policy, rule, nfe, run) < TOLERANCE
    other = gtp.load_policy(folder / f"{name}.safetensors", seed=0)
    other.seed = 3  # and with it the noise
    assert largest_difference(other, rule, nfe, run) > 0.01, "it does not tell another seed's graph"


def test_the_graph_knows_the_normal_distribution_function():
    """What choosing by a temperature needs, also of the largest noise, which wins."""

    class Log(torch.nn.Module):
        def forward(self, x):
            return torch.special.log_ndtr(x)

    traced = torch.export.export(Log(), (torch.zeros(1001),))
    with quiet():
        program = torch.onnx.export(
            traced,
            input_names=["x"],
            custom_translation_table={torch.ops.aten.special_log_ndtr.default: log_ndtr},
            dynamo=True,
            verbose=False,
        )
    x = torch.linspace(-10.0, 6.0, 1001)
    found = open_graph(program.model_proto.SerializeToString()).run(None, {"x": x.numpy()})[0]
    np.testing.assert_allclose(found, torch.special.log_ndtr(x.double()), rtol=1e-5)


def test_samples_that_the_critic_rates_alike_are_as_good_as_each_other(folder):
    policy = load(folder, "fql")
    rule, nfe = settle(policy, 2, "best_of_4")
    policy.params["critic_ema"] = {
        leaf: torch.zeros_like(value) for leaf, value in policy.params["critic_ema"].items()
    }

    def graph_that_takes(which: int, shift: float = 0.0):
        def run(_, inputs):
            one = ActingRule.parse("sample")
            policy.reset()
            policy.rule = lambda acting: one
            policy._next_noise = lambda *_: {"samples": torch.from_numpy(inputs["noise"][:, which])}
            act = policy.act(inputs["observation"], 2)
            del policy.rule, policy._next_noise
            return [act + np.float32(shift)]

        return run

    for which in range(4):
        assert largest_difference(policy, rule, nfe, graph_that_takes(which)) < TOLERANCE
    assert largest_difference(policy, rule, nfe, graph_that_takes(1, 1e-3)) > TOLERANCE


def write_scores(path: Path, scores: dict[int, list[float]], nfe: int = 1, acting: str = "deterministic"):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(column_kinds(Episode))
        for seed, values in scores.items():
            for episode, value in enumerate(values):
                writer.writerow([seed, 120, nfe, acting, episode, 0, value, "", 10, "ok"])
            if not values:
                writer.writerow([seed, 120, nfe, acting, -1, "", "", "", "", "diverged@40"])
    return path


def test_an_export_is_a_graph_with_its_card(folder, tmp_path, capsys):
    data = replace(tiny_transitions(), task=FRAME.task)
    save_transitions(tmp_path / "data.safetensors", data)
    run = {"algorithm": "td3_bc", "label": "td3_bc", "seeds": SEEDS, "config": {"steps": 120}}
    write_text(tmp_path / "run.json", json.dumps(run))
    scores = write_scores(tmp_path / "scores.csv", {0: [10.0, 30.0], 3: [40.0, 40.0]})
    output = tmp_path / "out/policy.onnx"
    export(
        folder / "td3_bc.safetensors",
        output,
        seed=3,
        scores=scores,
        data=tmp_path / "data.safetensors",
        run=tmp_path / "run.json",
        licence="CC-BY-4.0",
    )
    said = capsys.readouterr().out.splitlines()
    what = "td3_bc, seed 3, step 120, K = 1, deterministic"
    assert said[0].endswith(f"policy.onnx: {what}; with policy.card.json and policy.card.md")
    assert re.fullmatch(r"one action: \S+ ms by the policy, .*; \S+ ms by the graph, given it", said[2])
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "policy.card.json",
        "policy.card.md",
        "policy.onnx",
    ]
    card = json.loads(output.with_suffix(".card.json").read_text())
    assert card["sha256"] == sha256_of(output)
    assert (card["label"], card["seed"], card["step"], card["acting"]) == ("td3_bc", 3, 120, "deterministic")
    assert card["inputs"] == {"observation": [3]}
    assert card["outputs"] == {"action": [2]}
    assert (card["action_low"], card["action_high"]) == ([-2.0, 0.0], [2.0, 1.0])
    assert card["hyperparameters"]["alpha"] == 2.5
    assert card["training"] == {"steps": 120}
    assert card["data"] == {
        "dataset_id": data.dataset_id,
        "dataset_digest": data.dataset_digest,
        "transitions": 200,
    }
    score = card["score"]
    assert (score["mean"], score["of_this_seed"], score["episodes"]) == (30.0, 40.0, 2)
    assert score["high"] - 30.0 == pytest.approx(12.7062 * 10.0, rel=1e-4)  # Student's t with one degree
    text = output.with_suffix(".card.md").read_text()
    for line in ("- **licence**: CC-BY-4.0", "- **score**: 30.0 [-97.1, 157.1], 95 % Student t over 2 seeds"):
        assert line in text
    content = output.read_bytes()
    assert str(Path(gtp.__file__).parent).encode() not in content, "it says where the code lay"


def test_a_seed_that_diverged_counts_as_in_the_tables(folder, tmp_path):
    from gtp.export.score import read_score

    policy = load(folder, "td3_bc")
    rule, nfe = settle(policy, 5, "sample")
    score = read_score(write_scores(tmp_path / "s.csv", {0: [10.0, 30.0], 3: []}), policy, rule, nfe)
    assert (score.mean, score.of_this_seed, score.diverged) == (10.0, 0.0, (3,))
    policy.task = replace(policy.task, maze="umaze", start_cell=(1, 1), goal_cell=(3, 1))
    share = read_score(write_scores(tmp_path / "s.csv", {0: [0.0, 100.0], 3: [0.0, 0.0]}), policy, rule, nfe)
    assert share.interval.startswith("95 % Wilson")
    assert 0.0 <= share.low < share.mean == 25.0 < share.high <= 100.0


REFUSED = {
    "memory": ("mbdpo", {}, "mbdpo goes on from what it planned.*gtp.load_policy"),
    "no critic": ("diffusion_bc", {"acting": "best_of_4"}, "has no critic to choose by"),
    "no rule": ("gtp", {"acting": "best"}, "unknown acting rule 'best'"),
    "no evaluation": ("gtp", {"nfe": 0}, "nfe must be at least 1, got 0"),
    "another format": ("gtp", {"output": "policy.pt"}, "does not end in .onnx; name it FILE.onnx"),
    "a seed that is not there": ("gtp", {"seed": 1}, "has no seed 1"),
    "no scores": ("gtp", {"scores": "none.csv"}, r"none\.csv cannot be read"),
    "no episodes": ("gtp", {"scores": "scores.csv"}, "has no episodes of step 120, K = 5, sample"),
    "no record": ("gtp", {"run": "scores.csv"}, "is not the run.json of a training run"),
    "another run": ("gtp", {"run": "run.json"}, "is the record of another run than the policy's"),
    "another task": ("gtp", {"data": "data.safetensors"}, "transitions of another task, 'other'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(folder, tmp_path, case, monkeypatch):
    name, flags, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bundle, "build_graph", None)  # nothing is traced before all is known to be sound
    write_scores(Path("scores.csv"), {0: [1.0], 3: [2.0]})
    run = {"algorithm": "gtp", "label": "other", "seeds": SEEDS, "config": {}}
    write_text(Path("run.json"), json.dumps(run))
    other = replace(FRAME.task, name="other")
    save_transitions(Path("data.safetensors"), replace(tiny_transitions(), task=other))
    given = {key: value if key in ("acting", "nfe", "seed") else Path(value) for key, value in flags.items()}
    with pytest.raises(UserError, match=message) as caught:
        export(folder / f"{name}.safetensors", **({"output": Path("out/policy.onnx")} | given))
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.glob("out/*"), *tmp_path.glob("policy*")]


BAD_SCORES = {
    "half a seed": ({0: [1.0, 2.0], 3: [1.0]}, "not as many of each"),
    "other seeds": ({0: [1.0], 4: [1.0]}, r"has the seeds \[0, 4\] and the policy \[0, 3\]"),
    "no number": ({0: ["much"], 3: [1.0]}, "has a row that is wrong"),
}


@pytest.mark.parametrize("case", BAD_SCORES)
def test_scores_that_are_not_the_policys(folder, tmp_path, case):
    from gtp.export.score import read_score

    scores, message = BAD_SCORES[case]
    policy = load(folder, "td3_bc")
    with pytest.raises(UserError, match=message):
        read_score(write_scores(tmp_path / "s.csv", scores), policy, *settle(policy, 5, "sample"))


def test_a_seed_that_diverged_is_not_exported(tmp_path):
    path = write_policy(tmp_path / "policy.safetensors", "td3_bc", (40, -1))
    with pytest.raises(UserError, match="seed 0 diverged at step 40 and cannot act; choose another --seed"):
        export(path, tmp_path / "policy.onnx")
    assert not (tmp_path / "policy.onnx").exists()


def test_a_graph_that_differs_is_not_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "build_graph", lambda *_: b"")
    monkeypatch.setattr(bundle, "open_graph", lambda _: type("Graph", (), {"run": None}))
    for difference in (2e-5, float("nan")):
        monkeypatch.setattr(bundle, "largest_difference", lambda *_, found=difference: found)
        with pytest.raises(UserError, match="differ from those of .* more than 1e-05"):
            export(folder / "gtp.safetensors", tmp_path / "policy.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_an_export_names_it(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for module in [name for name in sys.modules if name.startswith("gtp.export")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(UserError, match=r"onnxruntime is missing; pip install 'gtp\[export,figures\]'"):
        export(folder / "gtp.safetensors", tmp_path / "policy.onnx")
