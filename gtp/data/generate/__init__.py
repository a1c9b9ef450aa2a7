"""Recipes by which datasets are recorded from simulators."""
