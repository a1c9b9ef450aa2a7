"""Behaviour policies: the graded locomotion policies and the ant controller that datasets are recorded with."""
