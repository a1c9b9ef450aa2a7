"""Code that one version of a pass made is not taken for that of another."""

import sys

import pytest

from gtp.training.duplicates import MergeDuplicates
from gtp.training.zeros import StoreZeros


@pytest.mark.parametrize("kind", [MergeDuplicates, StoreZeros])
def test_another_version_of_a_pass_has_code_of_its_own(kind, monkeypatch, tmp_path):
    before = kind().uuid()
    assert kind().uuid() == before
    other = tmp_path / "other.py"
    other.write_text("another\n")
    monkeypatch.setattr(sys.modules[kind.__module__], "__file__", str(other))
    assert kind().uuid() != before


def test_two_passes_are_told_apart():
    assert MergeDuplicates().uuid() != StoreZeros().uuid()
