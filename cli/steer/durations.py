"""Durations as Go writes them."""

import re

from cli.steer.failures import Failure

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FORM = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")


def seconds(text: str) -> float:
    """``1m30s``, ``500ms``, ``0`` (and plain numbers, as seconds). Raises Failure."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not _FORM.fullmatch(text):
        raise Failure(f'invalid duration "{text}": a duration is like 30s, 5m or 1h30m')
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text))
