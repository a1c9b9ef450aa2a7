"""Where the time of a study went, from Snakemake's benchmarks."""

import pytest

from gtp.errors import UserError
from workflow.scripts.tell_times import lines, read_times

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(place, seconds, cpu, memory="900.0"):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"{HEADER}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t1\t1\t1\t{cpu}\n")


def test_jobs_are_summed_by_rule_and_the_dearest_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "benchmarks/small/train/a/gtp/seeds_0-2.tsv", 120, 180)
    write(tmp_path / "benchmarks/small/train/b/gtp/seeds_0-2.tsv", 60, 60, "1000.0")
    write(tmp_path / "benchmarks/small/figure_nfe.tsv", 6, 6)
    write(tmp_path / "benchmarks/small/figure_speed.tsv", 6, "NA", "NA")  # as of a job that ends at once
    write(tmp_path / "benchmarks/generate_dataset/generated/a.tsv", 54, 54)
    write(tmp_path / "benchmarks/other/train/a/gtp/seeds_0-2.tsv", 999, 999)
    header, *rows = (line.split() for line in lines(read_times("small")))
    assert header == ["rule", "jobs", "minutes", "CPU-minutes", "share", "MB"]
    assert rows == [
        ["train", "2", "3.0", "4.0", "80%", "1000"],
        ["generate_dataset", "1", "0.9", "0.9", "18%", "900"],
        ["figures", "2", "0.2", "0.1", "2%", "900"],
        ["all", "5", "4.1", "5.0", "100%", "1000"],
    ]


def test_a_study_that_did_not_run_here_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no job of the study 'quick' has run in this folder"):
        read_times("quick")
