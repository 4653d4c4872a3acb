"""The scheduler's configuration file: Kubernetes' KubeSchedulerConfiguration.

What is not known is refused by name. What Kubernetes knows and has no effect here is read and told (`idle`), so that
files that are in use can be taken as they are.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from api.struct import wire_name
from client import documents
from master.scheduler.arguments import FIT, NO_TUNING, Tuning, tuned
from master.scheduler.extending import ExtenderPart, ignored_resources
from master.scheduler.extending import problems as extender_problems
from master.scheduler.plugins import PREEMPTION, Plugins, filters_of, fused, problems, scores_of, uses
from master.scheduler.profile import Profile

API_VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"
DEFAULT_NAME = "default-scheduler"
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """A part of the file."""


class PluginArgs(_Part):
    """The arguments of one plugin."""

    name: str
    args: dict[str, Any] | None = None


class ProfilePart(_Part):
    """One profile: how the pods are placed that name it as their scheduler."""

    scheduler_name: str = ""
    percentage_of_nodes_to_score: _Percent | None = None
    plugins: Plugins = msgspec.field(default_factory=Plugins)
    plugin_config: list[PluginArgs] = []


class LeaderElection(_Part):
    """Whether and how one of several copies is found that works. Durations as ``15s``."""

    leader_elect: bool | None = None
    lease_duration: str = ""
    renew_deadline: str = ""
    retry_period: str = ""
    resource_lock: str = "leases"
    resource_name: str = ""
    resource_namespace: str = ""


class ClientConnection(_Part):
    """How the API server is reached."""

    kubeconfig: str = ""
    accept_content_types: str = ""
    content_type: str = ""
    qps: float = 0.0
    burst: int = 0


class Configuration(_Part):
    """The whole file."""

    api_version: str
    kind: str
    profiles: list[ProfilePart] = []
    percentage_of_nodes_to_score: _Percent = 0
    pod_initial_backoff_seconds: _Positive = 1
    pod_max_backoff_seconds: _Positive = 10
    leader_election: LeaderElection = msgspec.field(default_factory=LeaderElection)
    client_connection: ClientConnection = msgspec.field(default_factory=ClientConnection)
    parallelism: _Positive | None = None
    enable_profiling: bool | None = None
    enable_contention_profiling: bool | None = None
    delay_cache_until_active: bool | None = None
    extenders: list[ExtenderPart] = []


class ConfigurationError(ValueError):
    """The file cannot be used."""


def read(path: Path) -> Configuration:
    """Raises ConfigurationError that says what is wrong and where."""
    try:
        return parse(documents.parse(path.read_text()))
    except (OSError, ValueError) as error:  # a ConfigurationError is a ValueError
        raise ConfigurationError(f"{path}: {error}") from error


def parse(document: Any) -> Configuration:
    """Raises ConfigurationError."""
    try:
        found = msgspec.convert(document, Configuration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error)) from error
    if (found.api_version, found.kind) != (API_VERSION, KIND):
        raise ConfigurationError(f"must be {KIND} of {API_VERSION}, is {found.kind} of {found.api_version}")
    if wrong := next(_problems(found), ""):
        raise ConfigurationError(wrong)
    profiles_of(found)
    timeouts_of(found)
    return found


def _problems(found: Configuration) -> Iterator[str]:
    if found.pod_max_backoff_seconds < found.pod_initial_backoff_seconds:
        yield "podMaxBackoffSeconds: must not be less than podInitialBackoffSeconds"
    if found.leader_election.resource_lock != "leases":
        yield "leaderElection.resourceLock: must be leases"
    yield from extender_problems(found.extenders)
    for at, part in enumerate(found.profiles):
        if len(found.profiles) > 1 and not part.scheduler_name:
            yield f"profiles[{at}].schedulerName: is needed where there are several profiles"
        if part.scheduler_name in [one.scheduler_name for one in found.profiles[:at]]:
            yield f"profiles[{at}].schedulerName: {part.scheduler_name} is the name of another profile too"
        yield from (f"profiles[{at}].{one}" for one in problems(part.plugins))


def profiles_of(configuration: Configuration, default: str = DEFAULT_NAME) -> dict[str, Profile]:
    """By scheduler name; ``default`` is that of a profile that says none. Raises ConfigurationError."""
    parts = configuration.profiles or [ProfilePart()]
    return {part.scheduler_name or default: _profile(configuration, part, at) for at, part in enumerate(parts)}


def _profile(configuration: Configuration, part: ProfilePart, at: int) -> Profile:
    tuning = _tuning(part, f"profiles[{at}].pluginConfig", ignored_resources(configuration.extenders))
    percentage = part.percentage_of_nodes_to_score
    return Profile(
        tuple(tuning.of_filter(one) for one in filters_of(part.plugins)),
        tuple(
            (tuning.of_score(score), weight)
            for score, weight in scores_of(part.plugins)
            if score.name not in tuning.without_scores
        ),
        percentage_of_nodes=configuration.percentage_of_nodes_to_score if percentage is None else percentage,
        initial_backoff_s=configuration.pod_initial_backoff_seconds,
        max_backoff_s=configuration.pod_max_backoff_seconds,
        tuning=tuning,
        preempts=uses(PREEMPTION, part.plugins.multi_point, part.plugins.post_filter),
    )


def timeouts_of(configuration: Configuration) -> list[float]:
    """Of the extenders, in seconds; 0 where none is said. Raises ConfigurationError."""
    parts = enumerate(configuration.extenders)
    return [_seconds(part.http_timeout, f"extenders[{at}].httpTimeout") or 0.0 for at, part in parts]


def _tuning(part: ProfilePart, where: str, counted_elsewhere: list[str]) -> Tuning:
    known = NO_TUNING
    for at, one in enumerate(part.plugin_config):
        if one.name in [other.name for other in part.plugin_config[:at]]:
            raise ConfigurationError(f"{where}[{at}].name: {one.name} stands there twice")
        try:
            known = tuned(one.name, one.args, known)
        except ValueError as error:
            raise ConfigurationError(f"{where}[{at}].{error}") from error
    if not counted_elsewhere:
        return known
    fit = next((one.args or {} for one in part.plugin_config if one.name == FIT), {})
    return tuned(FIT, {**fit, "ignoredResources": [*fit.get("ignoredResources", []), *counted_elsewhere]}, known)


def election_of(found: LeaderElection) -> dict[str, Any]:
    """The settings of the election that the file says. Raises ConfigurationError."""
    said: dict[str, Any] = {
        "leader_elect": found.leader_elect,
        "leader_elect_lease_duration_s": _seconds(found.lease_duration, "leaderElection.leaseDuration"),
        "leader_elect_renew_deadline_s": _seconds(found.renew_deadline, "leaderElection.renewDeadline"),
        "leader_elect_retry_period_s": _seconds(found.retry_period, "leaderElection.retryPeriod"),
        "leader_elect_resource_namespace": found.resource_namespace or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _seconds(text: str, field: str) -> float | None:
    if not text:
        return None
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ConfigurationError(f"{field}: {text!r} is no duration such as 15s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def idle(found: Configuration) -> list[str]:
    """What is said in the file and has no effect here."""
    names = ("parallelism", "enable_profiling", "enable_contention_profiling", "delay_cache_until_active")
    said = [wire_name(name) for name in names if getattr(found, name) is not None]
    connection = found.client_connection
    names = ("accept_content_types", "content_type", "qps", "burst")
    said += [f"clientConnection.{wire_name(name)}" for name in names if getattr(connection, name)]
    for at, part in enumerate(found.profiles):
        said += [f"profiles[{at}].plugins.{point}" for point in fused(part.plugins)]
        if any(one.name == "VolumeBinding" for one in part.plugin_config):
            said.append(f"profiles[{at}].pluginConfig VolumeBinding")
    return said
