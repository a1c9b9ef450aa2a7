"""The benchmark: rows for every method, of the stages that it has, and several methods in one record."""

import json

import pytest

from gtp import algorithms
from gtp.config import TrainConfig
from gtp.evaluation import bench as module
from gtp.evaluation.bench import BenchConfig, bench, measure_method
from gtp.training.learner import stage_starts

TINY = {"batch_size": 4, "hidden_size": 8, "seconds": 0.0, "device": "cpu", "threads": 1, "nfe": (1, 2)}


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """Small and eager: what is tested is what is recorded, not how fast this machine is."""
    monkeypatch.setattr(module, "choose_compiled", lambda wanted, device: False)
    monkeypatch.setattr(module, "TRANSITIONS", 2000)
    monkeypatch.setitem(module.MATRIX, "cpu", 64)


@pytest.mark.parametrize("name", algorithms.names())
def test_every_method_is_measured_in_every_stage(name):
    training, acting = measure_method(name, BenchConfig(algorithms=(name,), seeds=(2,), **TINY), 1e9)
    stages = stage_starts(algorithms.get(name)(), TrainConfig().steps)
    assert [(row["seeds"], row["first_update"]) for row in training] == [(2, stage) for stage in stages]
    assert all(row["updates_per_second"] > 0 and row["flops_per_update"] > 0 for row in training)
    assert all(0 < row["share_of_time_in_matrix_products"] < 1 for row in training)
    assert [row["nfe"] for row in acting] == [1, 2]


@pytest.mark.slow  # each compiles in a process of its own
def test_several_methods_share_a_record(tmp_path):
    """They run in processes of their own, which wait for each other before anything is timed."""
    names = ("gaussian_bc", "iql")
    config = BenchConfig(algorithms=names, seeds=(1,), output=tmp_path / "bench.json", **TINY)
    record = bench(config)
    assert [row["algorithm"] for row in record["training"] if not row["compiled"]] == list(names)
    assert json.loads((tmp_path / "bench.json").read_text())["acting"] == record["acting"]


def test_methods_are_named_once():
    for names in ((), ("gtp", "gtp")):
        with pytest.raises(ValueError, match="algorithms"):
            BenchConfig(algorithms=names)
