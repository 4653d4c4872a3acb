"""Settings from one dataclass: flags, environment, a YAML file and their errors all come from its fields.

A field `node_name: str = field(default=..., metadata={"help": ...})` is the flag `--node-name`, the variable
`<PREFIX>NODE_NAME` and the key `node-name` of the file. What is said nearer to the call wins: flag, then environment,
then file, then default. Types: str, int, float, bool, Path, tuple[str, ...], dict[str, str], and each of them or None.
Refused: unknown keys, wrong types, and whatever the dataclass's own `check()` finds; all problems are told at once.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from cli.errors import SettingsError

C = TypeVar("C")
TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a settings dataclass, as people see it."""

    name: str
    hint: Any  # the type without `| None`
    optional: bool
    required: bool
    default: Any
    help: str

    @property
    def key(self) -> str:
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        return f"--{self.key}"

    def env(self, prefix: str) -> str:
        return f"{prefix}{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value and where it was said, for errors and for `--check-config`."""

    value: Any
    origin: str


Values = dict[str, Value]


def settings_of(config_class: type[Any]) -> tuple[Setting, ...]:
    """The settings that a dataclass declares, in its order; TypeError for a field of a type not allowed."""
    hints = get_type_hints(config_class)
    return tuple(_setting(field, hints[field.name]) for field in dataclasses.fields(config_class))


def _setting(field: "dataclasses.Field[Any]", hint: Any) -> Setting:
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        rest = [one for one in get_args(hint) if one is not type(None)]
        if len(rest) != 1 or len(get_args(hint)) != 2:
            raise TypeError(f"setting {field.name}: {hint} is not a type a setting may have")
        hint, optional = rest[0], True
    if hint not in (str, int, float, bool, Path, tuple[str, ...], dict[str, str]):
        raise TypeError(f"setting {field.name}: {hint} is not a type a setting may have")
    default: Any = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    required = default is dataclasses.MISSING
    return Setting(field.name, hint, optional, required, None if required else default, field.metadata.get("help", ""))


def from_text(setting: Setting, text: str) -> Any:
    """A value from a flag or a variable; ValueError says what it must be. Empty text is None where that is allowed."""
    if setting.optional and text == "":
        return None
    if setting.hint is bool:
        return _bool_from_text(text)
    if setting.hint is int:
        return _number(int, text, "a whole number")
    if setting.hint is float:
        return _number(float, text, "a number")
    if setting.hint is Path:
        return Path(text)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if setting.hint == tuple[str, ...]:
        return tuple(words)
    if setting.hint == dict[str, str]:
        return _pairs(words)
    return text


def _bool_from_text(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(f"must be true or false, is {text!r}")


def _number(kind: Any, text: str, what: str) -> Any:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"must be {what}, is {text!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"must be {what}, is {text!r}")
    return number


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"must be KEY=VALUE,KEY=VALUE, has {word!r}")
        pairs[key] = value
    return pairs


def from_yaml(setting: Setting, raw: Any) -> Any:
    """A value from a decoded YAML file; ValueError says what it must be. Nothing is converted by guess."""
    if raw is None and setting.optional:
        return None
    hint = setting.hint
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if hint is Path and isinstance(raw, str):
        return Path(raw)
    if hint == tuple[str, ...] and isinstance(raw, list) and all(isinstance(one, str) for one in raw):
        return tuple(raw)
    if hint == dict[str, str] and _is_text_mapping(raw):
        return raw
    if hint in (str, bool) and isinstance(raw, hint):
        return raw
    if hint is float and isinstance(raw, float) and math.isfinite(raw):
        return raw
    if hint is int and isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    raise ValueError(f"must be {_EXPECTED[hint]}, is {raw!r}")


def _is_text_mapping(raw: Any) -> bool:
    return isinstance(raw, dict) and all(isinstance(key, str) and isinstance(raw[key], str) for key in raw)


_EXPECTED = {
    str: "text (quote it if it looks like a number)",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    tuple[str, ...]: "a list of text",
    dict[str, str]: "a mapping of text to text",
}


def to_yaml(value: Any) -> Any:
    """The value as a YAML file holds it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def read_file(path: Path, settings: tuple[Setting, ...]) -> Values:
    """The values of a settings file; SettingsError names file, key and the closest known key."""
    import yaml  # most starts have no file

    try:
        decoded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not valid YAML: {error}"]) from error
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise SettingsError([f"{path}: must be a mapping of settings, is a {type(decoded).__name__}"])
    return _read_mapping(path, decoded, {setting.key: setting for setting in settings})


def _read_mapping(path: Path, decoded: Mapping[Any, Any], known: dict[str, Setting]) -> Values:
    values: Values = {}
    problems = []
    for key, raw in decoded.items():
        setting = known.get(key)
        if setting is None:
            problems.append(f"{path}: unknown key {key!r}{_suggestion(str(key), known)}")
            continue
        try:
            values[setting.name] = Value(from_yaml(setting, raw), f"{path}: {key}")
        except ValueError as error:
            problems.append(f"{path}: {key}: {error}")
    if problems:
        raise SettingsError(problems)
    return values


def _suggestion(key: str, known: Mapping[str, object]) -> str:
    import difflib

    close = difflib.get_close_matches(key.replace("_", "-").lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(sorted(known))}"


def read_environment(prefix: str, settings: tuple[Setting, ...], environ: Mapping[str, str]) -> Values:
    """The values that environment variables say; variables of other names are not ours to judge."""
    values: Values = {}
    problems = []
    for setting in settings:
        name = setting.env(prefix)
        if name not in environ:
            continue
        try:
            values[setting.name] = Value(from_text(setting, environ[name]), f"${name}")
        except ValueError as error:
            problems.append(f"${name}: {error}")
    if problems:
        raise SettingsError(problems)
    return values


def build(config_class: type[C], *sources: Values) -> tuple[C, Values]:
    """The settings, later sources winning, and where each came from; SettingsError tells all problems at once."""
    merged: Values = {}
    for source in sources:
        merged |= source
    settings = settings_of(config_class)
    missing = [setting for setting in settings if setting.required and setting.name not in merged]
    if missing:
        raise SettingsError([f"{setting.flag}: is required" for setting in missing])
    config = config_class(**{name: value.value for name, value in merged.items()})
    for setting in settings:
        merged.setdefault(setting.name, Value(setting.default, "default"))
    check = getattr(config, "check", None)
    problems = check() if check is not None else []
    if problems:
        raise SettingsError([_located(problem, merged) for problem in problems])
    return config, merged


def _located(problem: str, values: Values) -> str:
    """The problem with the place where the bad value was said in front of the field's name."""
    name, colon, rest = problem.partition(":")
    value = values.get(name.strip().replace("-", "_"))
    if not colon or value is None:
        return problem
    place = value.origin if value.origin != "default" else f"--{name.strip().replace('_', '-')} (its default)"
    return f"{place}:{rest}"
