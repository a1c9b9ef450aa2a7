"""What is in an output folder stays there: a run's results, a user's files."""

from gtp.files import require_writable
from gtp.training.loop import rate


def test_trying_a_folder_touches_nobodys_file(tmp_path):
    (tmp_path / "probe").write_text("mine")
    require_writable(tmp_path)
    assert (tmp_path / "probe").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


def test_a_session_without_updates_of_its_own_has_no_rate():
    assert rate(0, 0.1) is None
    assert rate(30, 2.0) == 15.0
