"""The script that kills: what it compares, how it counts, and that it notices a program that a kill harms."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

import gtp.cli.main
from gtp.files import write_text
from tests.faults.kill_cases import CASES, STRAIGHT, Case
from tests.faults.kill_record import Chain, Moment, Record, Straight, summary_of, text_of
from tests.faults.kills import comparable, contents, difference, draw, lay_out, run, run_chain, run_straight
from tests.faults.record import write_part

CASE = Case("kind", "case", 3, lambda work: [])


def careful():
    """Makes three files, each whole or not at all."""
    for name in "abc":
        write_text(Path(name), name * 100)
        time.sleep(0.02)


def careless():
    """Keeps what it finds, be it half of a file."""
    if not Path("a").exists():
        with open("a", "w") as file:
            for _ in range(10):
                file.write("a" * 10)
                file.flush()
                time.sleep(0.02)
    write_text(Path("b"), "b")


def chains(program, work, monkeypatch, count=6) -> list[Chain]:
    monkeypatch.setattr(gtp.cli.main, "main", program)
    straight = run_straight(CASE, work)
    return [run_chain(CASE, work, straight, np.random.default_rng(seed), most=2) for seed in range(count)]


def test_a_program_that_a_kill_harms_is_noticed(tmp_path, monkeypatch):
    found = chains(careless, tmp_path, monkeypatch)
    assert "a has other bytes" in {chain.problem for chain in found}


def test_a_program_that_no_kill_harms_passes(tmp_path, monkeypatch):
    found = chains(careful, tmp_path, monkeypatch)
    assert sum(len(chain.kills) for chain in found) >= 4
    assert {chain.problem for chain in found} == {None}


def test_a_program_that_refuses_after_a_kill_is_noticed(tmp_path, monkeypatch):
    def program():
        if Path("a").exists():
            raise SystemExit("a is in the way")
        write_text(Path("a"), "a")
        write_text(Path("b"), "b")

    found = chains(program, tmp_path, monkeypatch, 10)
    assert any((chain.problem or "").startswith("refused") for chain in found)


@pytest.mark.parametrize("act", [1, 2, 3])
def test_a_kill_at_an_act_comes_before_it(tmp_path, monkeypatch, act):
    def program():
        for name in "abc":
            Path(name).mkdir()

    monkeypatch.setattr(gtp.cli.main, "main", program)
    folder = tmp_path / "run"
    lay_out(CASE, folder)
    assert run(CASE, tmp_path, folder, None, 60.0) == (0, 3)
    lay_out(CASE, folder)
    assert run(CASE, tmp_path, folder, Moment(act, 0.0), 60.0)[0] == -9
    assert len(list(folder.iterdir())) == act - 1


def test_a_program_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(gtp.cli.main, "main", lambda: time.sleep(100))
    lay_out(CASE, tmp_path / "run")
    with pytest.raises(TimeoutError):
        run(CASE, tmp_path, tmp_path / "run", None, 0.2)


def test_moments_are_spread_over_acts_and_time():
    rng = np.random.default_rng(0)
    moments = [draw(rng, Straight({}, 10.0, 20)) for _ in range(500)]
    acts = [moment for moment in moments if moment.act]
    assert {moment.act for moment in acts} == set(range(1, 21))
    assert {0.0} < {moment.seconds for moment in acts}
    by_clock = [moment.seconds for moment in moments if not moment.act]
    assert 150 < len(by_clock) < 250
    assert np.ptp(np.histogram(by_clock, bins=4, range=(0, 10))[0]) < 40


def test_only_what_reads_a_clock_is_left_out(tmp_path):
    def differ(name, first, second):
        (tmp_path / name).write_text(first)
        one = comparable(tmp_path / name)
        (tmp_path / name).write_text(second)
        return one != comparable(tmp_path / name)

    record = {"training_seconds": 1.0, "resumed_at": None, "seeds": [0]}
    assert not differ("run.json", json.dumps(record), json.dumps(record | {"resumed_at": 5}))
    assert differ("run.json", json.dumps(record), json.dumps(record | {"seeds": [1]}))
    table = "step,seed,quantity,value\n1,0,seconds,{}\n1,0,loss/q,{}\n"
    assert not differ("training.csv", table.format(1, 2), table.format(3, 2))
    assert differ("training.csv", table.format(1, 2), table.format(1, 3))
    assert differ("scores.csv", "seconds\n1\n", "seconds\n2\n")


def test_files_that_are_left_over_or_missing_count(tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("a", ".b.01234567.partial", "logs/c"):
        (tmp_path / name).write_text(name)
    found = contents(tmp_path)
    assert set(found) == {"a", ".b.01234567.partial"}
    assert difference(found, found) is None
    assert difference({"a": found["a"]}, found) == ".b.01234567.partial is left over"
    assert difference(found, {}) == ".b.01234567.partial is missing, and 1 more"
    assert difference(found, {**found, "a": "x"}) == "a has other bytes"


def test_a_record_is_taken_up_for_the_same_code_alone(tmp_path):
    record = Record(tmp_path / "record.jsonl", "code")
    first, second = CASES[0], CASES[1]
    record.add_straight(first, Straight({"a": "b"}, 1.5, 7))
    record.add_chain(Chain(first.name, [Moment(3, 0.0), Moment(0, 1.0)], None))
    record.add_chain(Chain(second.name, [Moment(0, 2.0)], "a is missing"))
    again = Record(tmp_path / "record.jsonl", "code")
    assert (again.straight, again.chains) == (record.straight, record.chains)
    assert (again.kills(first), summary_of(again)) == (2, (2, 3))
    assert f"| {first.kind} | 2 | 1 | 1 | 1 | 2 |" in text_of(again, 0)
    assert f"| {second.kind} | 1 | 1 | 0 | 1 | 0 |" in text_of(again, 0)
    assert not Record(tmp_path / "record.jsonl", "other code").chains


def test_there_are_100_kills_and_cases_read_what_earlier_ones_left():
    assert sum(case.kills for case in CASES) == 100
    made = set()
    for case in CASES:
        words = case.words(Path("/w"))
        read = {Path(word).parts[3] for word in words if word.startswith(f"/w/{STRAIGHT}/")}
        assert read <= made
        made.add(case.name)


def test_each_script_writes_its_own_part_of_the_page(tmp_path):
    page = tmp_path / "faults.md"
    write_part(page, "First", "one\n\n| a | b |\n")
    write_part(page, "Second", "two")
    write_part(page, "First", "three")
    text = page.read_text()
    assert text.startswith("# Faults\n")
    assert text.endswith("\n## First\n\nthree\n\n## Second\n\ntwo\n")
    assert "one" not in text
