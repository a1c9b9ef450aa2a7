"""`make bench-peers`: what it says is missing, its ratios, and how it talks to contestants."""

import sys
import textwrap

import pytest

from gtp.errors import UserError
from tests.peers import precisions
from tests.peers import run as runner
from tests.peers.contest import Contestant, ContestError, Result, play, updates_within
from tests.peers.contestants import ours
from tests.peers.contestants.__main__ import random_data
from tests.peers.roster import PEERS
from tests.peers.run import read_options
from tests.peers.table import Row, page_of, table_of

TALKS = """
    print("eager, Python 3", flush=True)
    for line in sys.stdin:
        print(float(line) * SECONDS, flush=True)
"""
"""A contestant that says that an update takes so long, without taking it."""


@pytest.fixture
def contestant(tmp_path):
    """A function that starts a contestant from its program."""
    started = []

    def start(program: str, name: str = "theirs", seconds: float = 0.01) -> Contestant:
        program = textwrap.dedent(program).replace("SECONDS", str(seconds))
        command = [sys.executable, "-c", f"import sys\n{program}"]
        started.append(Contestant(name, command, tmp_path / f"{name}.log"))
        return started[-1]

    yield start
    for each in started:
        each.__exit__()
        assert each.process.poll() is not None


def test_ratios_are_those_within_rounds():
    result = Result(ours=(10.0, 30.0, 24.0), theirs=(5.0, 10.0, 12.0))
    assert result.medians == (24.0, 10.0)
    assert result.ratio == (2.0, 2.0, 3.0)  # not 24 / 10


def test_rounds_alternate_and_take_the_time_that_is_asked_for(contestant, monkeypatch):
    ours, theirs = contestant(TALKS, "ours", 0.125), contestant(TALKS, "theirs", 0.25)
    assert ours.introduce() == theirs.introduce() == "eager, Python 3"
    assert updates_within(ours, 4.0) == 32
    asked = []
    time = Contestant.time
    monkeypatch.setattr(
        Contestant, "time", lambda each, updates: (asked.append((each.name, updates)), time(each, updates))[1]
    )
    assert play(ours, theirs, 3, 4.0) == Result(ours=(8.0,) * 3, theirs=(4.0,) * 3)
    assert asked[-6:] == [("ours", 32), ("theirs", 16)] * 3


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "print('a'); raise ModuleNotFoundError('no jax')",
            "ended with status 1: ModuleNotFoundError: no jax",
        ),
        ("print('a'); print('noise', file=sys.stderr); sys.exit(3)", "ended with status 3: noise"),
        ("print('a'); import os; sys.stdout.flush(); os._exit(4)", "ended with status 4: it said nothing"),
        ("print('a', flush=True); input(); print('fast')", "answered 'fast' where seconds were due"),
        ("print('a', flush=True); input(); print('nan')", "answered 'nan' where seconds were due"),
    ],
)
def test_a_contestant_that_ends_or_talks_nonsense_is_one_line(program, message, contestant):
    each = contestant(program)
    assert each.introduce() == "a"
    with pytest.raises(ContestError) as caught:
        each.time(5)
    assert str(caught.value).startswith(f"theirs {message}")
    assert "\n" not in str(caught.value)


def test_a_contestant_that_cannot_be_built_is_one_line(contestant):
    with pytest.raises(ContestError, match="theirs ended with status 1: ValueError: no such flag"):
        contestant("raise ValueError('no such flag')").introduce()


def test_without_the_authors_code_it_says_what_to_fetch_and_fails(tmp_path, capsys):
    assert runner.run(read_options(["--peers", str(tmp_path)])) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(PEERS)
    for line, peer in zip(lines, PEERS, strict=True):
        assert line.startswith(f"{peer.name} is not there: git clone {peer.url} {tmp_path / peer.name}")
        assert line.endswith(" ".join(("pip install", *peer.packages)) if peer.packages else peer.name)


def test_an_environment_alone_may_be_missing(tmp_path):
    fql = next(peer for peer in PEERS if peer.name == "fql")
    (tmp_path / "fql/agents").mkdir(parents=True)
    (tmp_path / "fql" / fql.file).touch()
    beside = fql.python(tmp_path, sys.executable, {})
    assert fql.missing(tmp_path, beside).startswith(f"fql is not there: python3 -m venv {tmp_path / 'venv'}")
    assert fql.missing(tmp_path, fql.python(tmp_path, "python", {"fql": sys.executable})) is None


@pytest.fixture
def fake_peer(tmp_path, monkeypatch):
    """A function that puts a program in the place of both contestants of Diffusion-QL; the command line."""
    (tmp_path / "diffusion_ql/agents").mkdir(parents=True)
    (tmp_path / "diffusion_ql/agents/ql_diffusion.py").touch()

    def use(program: str) -> list[str]:
        program = textwrap.dedent(program).replace("SECONDS", "0.001")
        monkeypatch.setattr(
            runner, "command_of", lambda *_, **settings: [sys.executable, "-c", f"import sys\n{program}"]
        )
        monkeypatch.setattr(runner, "LOGS", tmp_path / "logs")
        return ["--peers", str(tmp_path), "--seconds", "0.1", "--rounds", "2"]

    return use


def test_the_whole_command_with_one_peer_there(fake_peer, tmp_path, capsys):
    page = tmp_path / "page.md"
    assert runner.run(read_options([*fake_peer(TALKS), "--record", str(page)])) == 0
    out, err = capsys.readouterr()
    row = "| Diffusion-QL | 1000.0 | 1000.0 | 1.00 | 1.00 to 1.00 |"
    assert row in out.splitlines()
    assert row in page.read_text().splitlines()
    assert sum("is not there" in line for line in err.splitlines()) == len(PEERS) - 1


def test_a_contestant_that_ends_fails_the_command(fake_peer, capsys):
    assert runner.run(read_options(fake_peer("raise ValueError('broken')"))) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "our diffusion_ql ended with status 1: ValueError: broken" in err.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [["--threads", "0"], ["--rounds", "0"], ["--seconds", "nan"], ["--python", "x=y"], ["--only", "x"]],
)
def test_wrong_flags_are_refused(words, capsys):
    with pytest.raises(SystemExit) as caught:
        read_options(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err.splitlines()[-1]


def test_a_record_says_by_what_and_with_what_it_was_measured():
    rows = [Row(PEERS[0], Result((10.0,), (4.0,)), "compiled, torch 2", "eager, torch 2")]
    page = page_of(rows, command="python -m x", threads=2, rounds=1, seconds=5.0)
    assert table_of(rows) in page
    for part in (
        "    python -m x\n",
        "threads 2",
        "1 rounds of about 5 s",
        "batch size 256",
        "eager, torch 2",
    ):
        assert part in page


def test_every_peer_has_a_contestant_and_fields_of_our_method():
    from gtp import algorithms

    for peer in PEERS:
        assert (runner.CONTESTANTS / f"{peer.name}.py").is_file()
        algorithms.get(peer.name)(**peer.hyperparameters)


def test_the_data_have_the_columns_and_ends_of_episodes():
    data = random_data(2500, 3, 2)
    assert {name: column.shape for name, column in data.items()} == {
        "observations": (2500, 3),
        "actions": (2500, 2),
        "rewards": (2500,),
        "next_observations": (2500, 3),
        "terminals": (2500,),
    }
    assert {str(column.dtype) for column in data.values()} == {"float32"}
    assert data["terminals"].nonzero()[0].tolist() == [999, 1999]


@pytest.fixture
def two_precisions(tmp_path, monkeypatch):
    """A function that puts a program in the place of both precisions, float32 of twice the seconds."""
    monkeypatch.setattr(precisions, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(precisions, "require_precision", lambda precision, device: None)
    asked = []

    def use(program: str) -> list[dict]:
        def command_of(module, python, code, **settings):
            asked.append(settings)
            seconds = {"float32": "0.002", "bfloat16": "0.001"}[settings["matmul_precision"]]
            program_of = textwrap.dedent(program).replace("SECONDS", seconds)
            return [sys.executable, "-c", f"import sys\n{program_of}"]

        monkeypatch.setattr(precisions, "command_of", command_of)
        return asked

    return use


SHORT = ["--methods", "iql", "--seconds", "0.1", "--rounds", "2"]


def test_precisions_are_timed_side_by_side_in_every_size(two_precisions, tmp_path, capsys):
    asked, page = two_precisions(TALKS), tmp_path / "page.md"
    precisions.run(precisions.read_options([*SHORT, "--record", str(page)]))
    out = capsys.readouterr().out
    for sizes in ("256, 256, 1", "128, 128, 3"):
        row = f"| iql | {sizes} | 1000.0 | 500.0 | 2.00 | 2.00 to 2.00 |"
        assert row in out.splitlines()
        assert row in page.read_text().splitlines()
    assert [(each["matmul_precision"], each["seeds"]) for each in asked] == [
        ("bfloat16", 1),
        ("float32", 1),
        ("bfloat16", 3),
        ("float32", 3),
    ]
    assert "Medians of 2 rounds of about 0.1 s" in page.read_text()


def test_a_precision_that_ends_leaves_no_record(two_precisions, tmp_path):
    two_precisions("raise ValueError('broken')")
    page = tmp_path / "page.md"
    with pytest.raises(UserError, match="iql in bfloat16 ended with status 1: ValueError: broken"):
        precisions.run(precisions.read_options([*SHORT, "--record", str(page)]))
    assert not page.exists()


@pytest.mark.parametrize("words", [["--threads", "0"], ["--rounds", "0"], ["--seconds", "inf"]])
def test_wrong_flags_of_precisions_are_refused(words, capsys):
    with pytest.raises(SystemExit) as caught:
        precisions.read_options(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow  # builds and compiles a method
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_our_contestant_trains_in_a_precision(precision, monkeypatch):
    monkeypatch.setattr("gtp.training.learner.require_precision", lambda precision, device: None)
    own = {"method": "iql", "hyperparameters": {}, "seeds": 2, "threads": 1, "hidden_size": 16}
    train, how = ours.build(runner.SIZES | own | {"matmul_precision": precision}, {})
    train(2)
    assert how in ("compiled", "eager")
