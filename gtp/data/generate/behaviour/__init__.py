"""Behaviour policies, which datasets are recorded with: graded locomotion policies and an ant controller."""
