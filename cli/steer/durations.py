"""Durations as Go writes them: a type of flag."""

import re

import click

from cli.steer.miscalls import named

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FORM = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")


def seconds(text: str) -> float:
    """``1m30s``, ``-500ms``, ``0`` (and plain numbers, as seconds). Raises ValueError."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if not _FORM.fullmatch(text):
        raise ValueError(text)
    total = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text))
    return -total if text.startswith("-") else total


class _Duration(click.ParamType):  # type: ignore[type-arg]
    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return seconds(str(value))
        except ValueError as error:
            flag = named(param) if param is not None else ""
            said = f'invalid argument "{value}" for "{flag}" flag: time: invalid duration "{value}"'
            raise click.UsageError(said, ctx) from error


# The flag's value is in seconds.
DURATION = _Duration()
