"""Simulators as tasks use them, and the worlds of our own."""
