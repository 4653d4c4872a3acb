"""The scheduler's configuration file: Kubernetes' KubeSchedulerConfiguration, as much of it as has an effect here.

What is not known is refused, so that nothing is written there in vain.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import yaml

from api.struct import wire_name
from master.scheduler.filters import FILTERS
from master.scheduler.profile import DEFAULT_SCORES, Profile, Weighted
from master.scheduler.scores import SCORES

API_VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"
N = TypeVar("N")
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_ALL = "*"


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """A part of the file."""


class Plugin(_Part):
    """A filter or score by name. ``weight`` counts for scores; 0 is the default of its kind."""

    name: str
    weight: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class PluginSet(_Part):
    """What is used on top of the defaults, and what of these is not. The name * means all."""

    enabled: list[Plugin] = []
    disabled: list[Plugin] = []


class Plugins(_Part):
    """``multi_point`` means filter and score at once."""

    filter: PluginSet = msgspec.field(default_factory=PluginSet)
    score: PluginSet = msgspec.field(default_factory=PluginSet)
    multi_point: PluginSet = msgspec.field(default_factory=PluginSet)


class ProfilePart(_Part):
    """One profile."""

    scheduler_name: str = ""
    percentage_of_nodes_to_score: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    plugins: Plugins = msgspec.field(default_factory=Plugins)


class Configuration(_Part):
    """The whole file."""

    api_version: str
    kind: str
    profiles: Annotated[list[ProfilePart], msgspec.Meta(max_length=1)] = []
    percentage_of_nodes_to_score: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    pod_initial_backoff_seconds: _Positive = 1
    pod_max_backoff_seconds: _Positive = 10


class ConfigurationError(ValueError):
    """The file cannot be used."""


def read(path: Path) -> Configuration:
    """Raises ConfigurationError that says what is wrong and where."""
    try:
        return parse(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def parse(document: Any) -> Configuration:
    """Raises ConfigurationError."""
    try:
        found = msgspec.convert(document, Configuration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error)) from error
    if (found.api_version, found.kind) != (API_VERSION, KIND):
        raise ConfigurationError(f"must be {KIND} of {API_VERSION}, is {found.kind} of {found.api_version}")
    if found.pod_max_backoff_seconds < found.pod_initial_backoff_seconds:
        raise ConfigurationError("podMaxBackoffSeconds: must not be less than podInitialBackoffSeconds")
    profile_of(found)
    return found


def profile_of(configuration: Configuration) -> Profile:
    """Raises ConfigurationError for a name that there is none of."""
    part = configuration.profiles[0] if configuration.profiles else ProfilePart()
    plugins = part.plugins
    filters = {one.name: one for one in FILTERS}
    scores = {one.name: one for one in SCORES}
    _check_names("multiPoint", plugins.multi_point, filters.keys() | scores.keys())
    _check_names("filter", plugins.filter, filters.keys())
    _check_names("score", plugins.score, scores.keys())
    percentage = part.percentage_of_nodes_to_score
    return Profile(
        tuple(_chosen(filters, plugins.multi_point, plugins.filter)),
        tuple(_weighted(plugins)),
        percentage_of_nodes=configuration.percentage_of_nodes_to_score if percentage is None else percentage,
        initial_backoff_s=configuration.pod_initial_backoff_seconds,
        max_backoff_s=configuration.pod_max_backoff_seconds,
    )


def _check_names(point: str, chosen: PluginSet, known: "set[str] | Any") -> None:
    for field, plugins in (("enabled", chosen.enabled), ("disabled", chosen.disabled)):
        for at, plugin in enumerate(plugins):
            if plugin.name not in known and not (plugin.name == _ALL and field == "disabled"):
                listed = ", ".join(sorted(known))
                raise ConfigurationError(
                    f"profiles[0].plugins.{point}.{field}[{at}].name: unknown plugin {plugin.name!r}; "
                    f"there are {listed}"
                )


def _chosen(known: Mapping[str, N], *sets: PluginSet) -> list[N]:
    """Of all known ones those that are wanted, in the order of the list."""
    wanted = set(known)
    for one in sets:
        off = {plugin.name for plugin in one.disabled}
        wanted = set() if _ALL in off else wanted - off
        wanted |= {plugin.name for plugin in one.enabled}
    return [plugin for name, plugin in known.items() if name in wanted]


def _weighted(plugins: Plugins) -> list[Weighted]:
    weights = {plugin.name: plugin.weight for one in (plugins.multi_point, plugins.score) for plugin in one.enabled}
    known = {score.name: (score, weight) for score, weight in DEFAULT_SCORES}
    return [
        (score, weights.get(score.name) or weight)
        for score, weight in _chosen(known, plugins.multi_point, plugins.score)
    ]
