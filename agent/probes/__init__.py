"""Probes: when they are due, how they are run, and what their results mean."""
