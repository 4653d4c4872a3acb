"""The command `steersman`, as people call it."""

from tests.cli.conftest import steersman

__all__ = ["steersman"]
