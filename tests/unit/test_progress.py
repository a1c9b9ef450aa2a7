"""Progress lines: what, how far, how fast, how long still."""

from gtp import progress
from gtp.progress import Progress, duration


def test_rate_and_time_left_ignore_the_first_unit(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = Progress("train maze gtp", 100, "steps", interval=10.0)
    now[0] = 60.0  # compilation
    bar.advance()
    for _ in range(20):
        now[0] += 1.0
        bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train maze gtp: 1/100 steps (1 %), time left unknown"
    assert lines[1] == "train maze gtp: 11/100 steps (11 %), 1.0 steps/s, 1 min 29 s left"
    assert len(lines) == 3


def test_the_last_unit_is_always_reported(monkeypatch, capsys):
    monkeypatch.setattr(progress.time, "monotonic", lambda: 0.0)
    bar = Progress("evaluate", 2, "episodes")
    bar.advance()
    bar.advance()
    assert capsys.readouterr().err.splitlines()[-1].startswith("evaluate: 2/2 episodes (100 %)")


def test_a_rate_of_nothing_is_not_printed_and_a_slow_one_is_not_zero(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    Progress("convert a/b-v0", 8, "rows").advance(8)
    slow = Progress("evaluate", 3, "episodes", interval=10.0)
    slow.advance()
    now[0] = 40.0
    slow.advance()
    converted, evaluated = capsys.readouterr().err.splitlines()
    assert converted == "convert a/b-v0: 8/8 rows (100 %), done"
    assert evaluated == "evaluate: 2/3 episodes (66 %), 0.025 episodes/s, 40 s left"


def test_a_note_is_asked_for_only_where_a_line_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(progress.time, "monotonic", lambda: 0.0)
    bar, asked = Progress("train", 3, "steps"), []
    for _ in range(3):
        bar.advance(note=lambda: f"loss {asked.append(1) or 2.5}")
    assert capsys.readouterr().err.endswith("done, loss 2.5\n")
    assert len(asked) == 1


def test_durations():
    assert [duration(s) for s in (0.4, 59.6, 200, 3900)] == ["0 s", "1 min 0 s", "3 min 20 s", "1 h 5 min"]
