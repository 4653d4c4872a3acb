"""A command line made from a settings dataclass: one flag a field, with default and variable in `--help`."""

import argparse
import math
import os
import sys
from typing import Any

from cli.errors import SettingsError
from cli.settings import Setting, Value, Values, from_text, to_yaml


class Help(argparse.HelpFormatter):
    """As wide as argparse makes it, which loads shutil, bz2 and lzma to know, 400 KB in each component, help or not."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=columns() - 2)


def columns() -> int:
    """As shutil.get_terminal_size has it."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ is not None else 1).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


_COLUMNS = 80


def seconds(text: str) -> float:
    """The type of a flag that bounds a wait: a number, not negative, that ends. Raises argparse.ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, 0 or more, is {text!r}")
    return found


def add_flags(parser: argparse.ArgumentParser, settings: tuple[Setting, ...], *, env_prefix: str) -> None:
    """Give the parser a flag for each setting. A flag that is not given leaves no value: others may say it."""
    group = parser.add_argument_group("settings", "flag, then environment, then file, then default")
    for setting in settings:
        if setting.hint is bool:
            group.add_argument(
                setting.flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                dest=setting.name,
                help=describe(setting, env_prefix=env_prefix),
            )
            continue
        repeats = setting.hint in (tuple[str, ...], dict[str, str])
        group.add_argument(
            setting.flag,
            action="append" if repeats else "store",
            default=argparse.SUPPRESS,
            dest=setting.name,
            metavar=_metavar(setting),
            help=describe(setting, env_prefix=env_prefix),
        )


def _metavar(setting: Setting) -> str:
    names = {int: "N", float: "NUMBER", tuple[str, ...]: "A,B", dict[str, str]: "K=V"}
    return names.get(setting.hint) or ("PATH" if "Path" in str(setting.hint) else "TEXT")


def describe(setting: Setting, *, env_prefix: str) -> str:
    """The help line: what it is for, its default, its variable."""
    default = "required" if setting.required else f"default: {_shown(setting.default)}"
    return f"{setting.help} ({default}; ${setting.env(env_prefix)})".replace("%", "%%")


def _shown(value: Any) -> str:
    if value in (None, "", (), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in value.items())
    return str(to_yaml(value))


def read_flags(namespace: argparse.Namespace, settings: tuple[Setting, ...]) -> Values:
    """The values given as flags; SettingsError for those that are not of their type."""
    values: Values = {}
    problems = []
    for setting in settings:
        raw = getattr(namespace, setting.name, None)
        if raw is None:
            continue
        try:
            value = raw if isinstance(raw, bool) else from_text(setting, _text(raw))
        except ValueError as error:
            problems.append(f"{setting.flag}: {error}")
            continue
        values[setting.name] = Value(value, setting.flag)
    if problems:
        raise SettingsError(problems)
    return values


def _text(raw: str | list[str]) -> str:
    return raw if isinstance(raw, str) else ",".join(raw)
