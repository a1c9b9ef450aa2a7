"""Which files decide a result, and what of them."""

import pytest

from gtp import algorithms
from gtp.provenance import code_digest, files_behind
from gtp.training.run import code_of_run


def test_code_behind_a_method_has_its_own_module_and_no_other_methods():
    files = files_behind("gtp.training.loop", "gtp.algorithms.gtp")
    assert {
        "gtp/training/loop.py",
        "gtp/algorithms/gtp.py",
        "gtp/networks.py",
        "gtp/generative/solution_map.py",
    } <= set(files)
    assert "gtp/algorithms/gaussian_bc.py" not in files
    assert not {
        "gtp/cli/main.py",
        "gtp/evaluation/rollouts.py",
        "gtp/errors.py",
        "gtp/report/style.py",
    } & set(files)


def test_code_behind_follows_imports_inside_functions(tmp_path, monkeypatch):
    package = tmp_path / "gtp"
    package.mkdir()
    (package / "a.py").write_text("def f():\n    from gtp import b\n")
    (package / "b.py").write_text("import gtp.c\nimport os\n")
    (package / "c.py").write_text("from gtp.a import f\n")
    (package / "d.py").write_text("")
    monkeypatch.setattr("gtp.provenance.ROOT", tmp_path)
    assert files_behind("gtp.a") == ["gtp/a.py", "gtp/b.py", "gtp/c.py"]


def test_digest_of_a_run_covers_what_its_method_inherits(tmp_path, monkeypatch):
    method = algorithms.get("diffusion_ql")()
    files = files_behind("gtp.algorithms.diffusion_ql")
    assert {
        "gtp/algorithms/common/denoising_policy.py",
        "gtp/algorithms/common/diffusion_model.py",
        "gtp/generative/diffusion.py",
    } <= set(files)
    before = code_of_run(method)
    monkeypatch.setattr(
        "gtp.training.run.files_behind", lambda *modules: [f for f in files if "diffusion_model" not in f]
    )
    assert code_of_run(method) != before


def test_digest_of_a_run_covers_the_loop_and_not_what_only_writes_files(monkeypatch):
    monkeypatch.setattr("gtp.training.run.code_digest", lambda paths: " ".join(path.stem for path in paths))
    covered = set(code_of_run(algorithms.get("gtp")()).split())
    assert {"loop", "run", "learner", "optimizer", "batches", "reward_scale", "randomness", "gtp"} <= covered
    assert not {"policy", "acting", "checkpoint", "files"} & covered


WRITTEN = '''"""Says what it does."""

WIDTH = 3  # of a network
"""Of a network."""


def area(height):
    """In squares."""
    return height * WIDTH
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# of a network", "# another remark", True),
        ("Says what it does", "Says more", True),
        ('"""Of a network."""\n', "", True),
        ('    """In squares."""\n', "", True),
        ("height * WIDTH", "height  *  (WIDTH)", True),
        ("WIDTH = 3", "WIDTH = 4", False),
        ("height * WIDTH", "WIDTH * height", False),
        ("return height", 'return "height"', False),
    ],
)
def test_digest_of_code_follows_what_is_executed(tmp_path, old, new, same):
    (tmp_path / "a.py").write_text(WRITTEN)
    (tmp_path / "b.py").write_text(WRITTEN.replace(old, new))
    assert WRITTEN.count(old) >= 1
    assert (code_digest([tmp_path / "a.py"]) == code_digest([tmp_path / "b.py"])) is same
