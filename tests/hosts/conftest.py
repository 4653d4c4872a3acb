"""Figures that are measured on the way, as in the tests of whole clusters."""

from tests.e2e.conftest import CLUSTERS, FIGURES, figures, pytest_configure, pytest_terminal_summary

__all__ = ["CLUSTERS", "FIGURES", "figures", "pytest_configure", "pytest_terminal_summary"]
