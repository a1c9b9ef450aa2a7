"""What a record of a study says of its machine."""

import os

import pytest

from gtp.studies.provenance import describe_cpus

CPUINFO = """processor\t: 0
model name\t: A Maker's CPU
flags\t\t: fpu {flags} sse

processor\t: 1
model name\t: A Maker's CPU
flags\t\t: fpu {flags} sse
"""


@pytest.mark.parametrize(
    ("flags", "vectors"),
    [
        ("avx avx2", ", AVX2"),
        ("avx2 avx512f avx512dq", ", AVX-512"),
        ("avx", ""),
        ("avx2_vnni", ""),
    ],
)
def test_cpus_are_told_by_their_number_model_and_widest_vectors(flags, vectors, tmp_path):
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags=flags))
    assert describe_cpus(tmp_path / "cpuinfo") == f"{os.cpu_count()} CPUs (A Maker's CPU{vectors})"


def test_a_system_that_does_not_tell_has_its_architecture_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert describe_cpus(tmp_path / "none") == f"{os.cpu_count()} CPUs (arm64)"
