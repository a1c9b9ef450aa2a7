"""What is in an output folder stays there: a run's results, a user's files."""

import pytest

from gtp import algorithms
from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution
from gtp.errors import UserError
from gtp.files import require_writable
from gtp.online.loop import train_online
from gtp.online.sac import train_sac
from gtp.online.settings import ModelBasedConfig, OnlineConfig
from gtp.training.loop import rate, train
from gtp.training.run import claimed

from .training_fixtures import CONFIG, tiny_transitions

SHORT = OnlineConfig(
    environment="Pendulum-v1", max_episode_steps=10, steps=30, evaluate_every=20, evaluation_episodes=2
)


def run(folder, seed, overwrite=False):
    execution = Execution(device="cpu", compile="off")
    kind = algorithms.get("gaussian_bc")()
    paths = {"output": folder / "out", "checkpoints": folder / "checkpoints"}
    return train(kind, CONFIG, tiny_transitions(), (seed,), execution=execution, overwrite=overwrite, **paths)


def test_a_folder_keeps_its_run_unless_told_otherwise(tmp_path, capsys):
    first = run(tmp_path, 0)
    policy = tmp_path / "out/policy-120.safetensors"
    before = policy.stat().st_mtime_ns
    assert run(tmp_path, 0)["training_seconds"] == first["training_seconds"]
    assert "holds this very run already" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        run(tmp_path, 1)
    assert policy.stat().st_mtime_ns == before
    half = tmp_path / "out/.policy-120.safetensors.01234567.partial"
    half.write_text("half")
    assert run(tmp_path, 1, overwrite=True)["seeds"] == [1]
    assert not half.exists()


def online(folder, seed, overwrite=False):
    execution = Execution(device="cpu", compile="off")
    method = MBDPO(size="nano", samples=8, elites=4, prior_sequences=2)
    config = ModelBasedConfig(**vars(SHORT), seed_steps=15, batch_size=4, nfe=2)
    paths = {"output": folder / "out", "checkpoints": folder / "checkpoints"}
    return train_online(method, config, seed, execution=execution, overwrite=overwrite, **paths)


def sac(folder, seed, overwrite=False):
    return train_sac(SHORT, seed, output=folder / "out", label="sac", overwrite=overwrite)


@pytest.mark.parametrize("train_anew", [online, sac])
def test_a_folder_keeps_its_online_run_unless_told_otherwise(train_anew, tmp_path, capsys):
    first = train_anew(tmp_path, 0)
    before = (tmp_path / "out/online.csv").stat().st_mtime_ns
    assert train_anew(tmp_path, 0)["seconds"] == first["seconds"]
    assert "holds this very run already; --overwrite True" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        train_anew(tmp_path, 1)
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        run(tmp_path, 0)
    assert (tmp_path / "out/online.csv").stat().st_mtime_ns == before
    assert train_anew(tmp_path, 1, overwrite=True)["seed"] == 1


def test_two_runs_do_not_share_a_folder_at_once(tmp_path):
    with claimed(tmp_path / "out"), pytest.raises(UserError, match="another run is writing"):
        run(tmp_path, 0)
    run(tmp_path, 0)


def test_trying_a_folder_touches_nobodys_file(tmp_path):
    (tmp_path / "probe").write_text("mine")
    require_writable(tmp_path)
    assert (tmp_path / "probe").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


def test_a_session_without_updates_of_its_own_has_no_rate():
    assert rate(0, 0.1) is None
    assert rate(30, 2.0) == 15.0
