"""Imported by every Python that starts with this folder on its path, as a workflow's processes do."""

from tests.faults.witness import watch

watch()
