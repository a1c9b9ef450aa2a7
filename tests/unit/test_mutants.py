"""What `make mutants` breaks and what it believes: operators, the sample, the map of tests, the reasons."""

import ast
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import OWN
from tests.mutants.order import QuickestFirst
from tests.mutants.population import ROOT, mutants_of, sample, text_of
from tests.mutants.record import Reasons, record_of
from tests.mutants.run import Journal, read_map
from tests.mutants.trial import Verdict

TESTS = read_map()
ROOMS = ("generative", "world_model", "algorithms", "training")
ALONE = ("acting", "networks", "policy", "randomness", "data/batches", "evaluation/rollouts")
PLAIN = {
    "gtp/training/captured.py",  # runs on a GPU alone: tests/gpu
    "gtp/algorithms/common/generative_model.py",
    *(f"gtp/algorithms/{name}_bc.py" for name in ("consistency", "diffusion")),
}
"""Files of declarations alone."""


@pytest.mark.parametrize("operator", OWN, ids=lambda operator: operator.__name__)
def test_operators_change_what_their_examples_say(operator):
    for example in operator.examples():
        changed = mutate_code(example.pre_mutation_code, operator(), example.occurrence)
        assert changed == example.post_mutation_code


def test_the_map_has_every_file_of_the_mathematics_and_the_training_and_tests_that_exist():
    files = {str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / "gtp" / room).rglob("*.py")}
    files |= {f"gtp/{name}.py" for name in ALONE}
    code = {file for file in files if len(ast.parse(text_of(file)).body) > 1}  # not a docstring alone
    assert code - PLAIN <= set(TESTS)
    for tests in TESTS.values():
        for path, _, name in (test.partition("::") for test in tests):
            assert f"def {name.partition('[')[0]}" in (ROOT / path).read_text(encoding="utf-8")


def test_guards_are_left_alone():
    lines = {mutant.difference for mutant in mutants_of("gtp/data/reward_scale.py")}
    assert ("return float(RETURN_RANGE / spread) if spread > 0 else 1.0",) * 2 not in lines
    changed = [mutant.difference[1] for mutant in mutants_of("gtp/algorithms/td3_bc.py")]
    assert not [line for line in changed if line.startswith("@dataclass")]


def test_a_sample_is_the_same_again_and_holds_every_file():
    files = ["gtp/envs/success.py", "gtp/training/optimizer.py", "gtp/randomness.py"]
    population = {file: mutants_of(file) for file in files}
    first, second = (sample(population, 20, seed=3) for _ in range(2))
    assert first == second
    assert {mutant.file for mutant in first} == set(files)
    assert 17 <= len(first) <= 22  # a few are no Python
    assert set(first) != set(sample(population, 20, seed=4))


def test_every_reason_belongs_to_a_line_that_there_is():
    texts = {file: " ".join(line.strip() for line in text_of(file).splitlines()) for file in TESTS}
    for file, before, _ in Reasons.read().by_change:
        assert before in texts[file], (
            f"equivalent.toml has a reason for a line of {file} that is gone: {before}"
        )


def test_a_journal_comes_back(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal["a"] = Verdict("killed", 1.5, "test_x.py::test_y")
    journal["a"] = Verdict("survived", 2.0)
    assert Journal(tmp_path / "journal") == {"a": Verdict("survived", 2.0)}


def record(outcomes: dict[str, str]) -> tuple[str, str, bool]:
    """The record of mutants of one file, by their changed lines."""
    mutants = [
        SimpleNamespace(file="gtp/a.py", line=i, key=after, difference=("x", after))
        for i, after in enumerate(outcomes)
    ]
    verdicts = {after: Verdict(outcome, 1.0) for after, outcome in outcomes.items()}
    return record_of(mutants, verdicts, {"gtp/a.py": 1000}, 0)


def test_the_record_counts_without_the_equivalent_ones(monkeypatch):
    reasons = Reasons({("gtp/a.py", "x", "same"): "It is the same."})
    monkeypatch.setattr(Reasons, "read", classmethod(lambda cls: reasons))
    died = {f"{i}": "killed" for i in range(18)} | {"slow": "hung"}
    text, summary, is_enough = record(died | {"same": "survived", "bad": "survived"})
    assert summary == "19 of 20 mutants that are not equivalent died: 95.0 % (75.1 to 99.9 %)"
    assert is_enough
    assert "| `gtp/a.py` | 1000 | 21 | 18 | 1 | 1 | 1 |" in text
    assert "- `gtp/a.py`: `x` became `bad`.\n" in text
    assert "- `gtp/a.py`: `x` became `same`. It is the same.\n" in text
    assert not record(died | {"bad": "survived", "worse": "survived"})[2]


def test_the_quickest_tests_run_first_and_slow_ones_after_those_of_all_files(tmp_path):
    items = [SimpleNamespace(path=path, nodeid=f"{path}::{name}") for path in "ab" for name in "xyz"]
    measured = QuickestFirst(tmp_path / "seconds.json", measures=True)
    measured.pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == ["a::x", "a::y", "a::z", "b::x", "b::y", "b::z"]
    for nodeid, seconds in {"a::x": 0.7, "a::y": 0.2, "b::x": 0.4, "b::y": 0.3, "b::z": 9.0}.items():
        for part in (0.25, 0.75):  # set up, called
            measured.pytest_runtest_logreport(SimpleNamespace(nodeid=nodeid, duration=part * seconds))
    measured.pytest_sessionfinish()
    followed = QuickestFirst(tmp_path / "seconds.json", measures=False)
    followed.pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == ["a::z", "a::y", "b::y", "b::x", "a::x", "b::z"]
    followed.pytest_runtest_logreport(SimpleNamespace(nodeid="a::z", duration=9.0))
    followed.pytest_sessionfinish()
    assert "a::z" not in json.loads((tmp_path / "seconds.json").read_text())


PROBE = """
from pathlib import Path
from types import SimpleNamespace
from tests.mutants import trial

log, times = Path({log!r}), Path({times!r})

def outcome(source):
    mutant = SimpleNamespace(file="gtp/envs/success.py", source=source)
    return trial.run(mutant, ["tests/unit/test_success.py"], 60, log, times).outcome

other = SimpleNamespace(file="gtp/training/run.py", source="")
text = Path("gtp/envs/success.py").read_text()
print(outcome(text), outcome(text.replace(".any()", ".all()")), outcome(text.replace("return", "raise ")))
try:
    trial.run(other, ["tests/unit/test_success.py"], 60, log, times)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.unmutated
@pytest.mark.slow  # imports what all mutants share
def test_a_trial_tells_what_its_tests_see(tmp_path):
    script = PROBE.format(log=str(tmp_path / "log"), times=str(tmp_path / "seconds.json"))
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines() == [
        "survived killed killed",
        "tests/unit/test_success.py do not import gtp/training/run.py",
    ], result.stderr
