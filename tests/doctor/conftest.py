"""The command `steersman`, as people call it."""

from tests.cli.conftest import steersman, until

__all__ = ["steersman", "until"]
