"""Which filters and scores a profile uses: Kubernetes' extension points and the names of its plugins.

What some points do is one step here, or done in any case: there plugins may be named, as real files do, and nothing
comes of it (`fused`).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from api.struct import wire_name
from master.scheduler.filters import FILTERS, Filter
from master.scheduler.profile import DEFAULT_SCORES, Weighted
from master.scheduler.scores import SCORES

N = TypeVar("N")
_EVERY = "*"
PREEMPTION = "DefaultPreemption"
# Done in any case: of each of these points Kubernetes has one plugin.
_FIXED = {"pre_enqueue": "SchedulingGates", "queue_sort": "PrioritySort", "bind": "DefaultBinder"}
_FUSED = ("pre_filter", "pre_score", "reserve", "permit", "pre_bind", "post_bind")
# Kubernetes' own that there are none of here: they may be named as not used.
_ABSENT = {
    "AzureDiskLimits", "CinderLimits", "DynamicResources", "EBSLimits", "GCEPDLimits", "NodeVolumeLimits",
    "VolumeZone",
}  # fmt: skip


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """A part of the file."""


class Plugin(_Part):
    """A plugin by name. ``weight`` counts for scores; 0 is the default of its kind."""

    name: str
    weight: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class PluginSet(_Part):
    """What is used on top of the defaults, and what of these is not. The name * means all."""

    enabled: list[Plugin] = []
    disabled: list[Plugin] = []


def _none() -> Any:
    return msgspec.field(default_factory=PluginSet)


class Plugins(_Part):
    """A set for each extension point; ``multi_point`` means all at once."""

    pre_enqueue: PluginSet = _none()
    queue_sort: PluginSet = _none()
    pre_filter: PluginSet = _none()
    filter: PluginSet = _none()
    post_filter: PluginSet = _none()
    pre_score: PluginSet = _none()
    score: PluginSet = _none()
    reserve: PluginSet = _none()
    permit: PluginSet = _none()
    pre_bind: PluginSet = _none()
    bind: PluginSet = _none()
    post_bind: PluginSet = _none()
    multi_point: PluginSet = _none()


_FILTERS = {one.name: one for one in FILTERS}
_SCORES = {score.name: (score, weight) for score, weight in DEFAULT_SCORES}
_ALL = _FILTERS.keys() | {one.name for one in SCORES} | {PREEMPTION, *_FIXED.values()}
_KNOWN = {
    "filter": _FILTERS.keys(),
    "score": _SCORES.keys(),
    "post_filter": {PREEMPTION},
    **{point: {name} for point, name in _FIXED.items()},
}


def problems(plugins: Plugins) -> Iterator[str]:
    """What is wrong, and where."""
    for point in plugins.__struct_fields__:
        chosen: PluginSet = getattr(plugins, point)
        known = set(_KNOWN.get(point, _ALL))
        for field, listed in (("enabled", chosen.enabled), ("disabled", chosen.disabled)):
            allowed = known if field == "enabled" else known | _ABSENT | {_EVERY}
            for at, plugin in enumerate(listed):
                if plugin.name not in allowed:
                    where = f"plugins.{wire_name(point)}.{field}[{at}].name"
                    yield f"{where}: unknown plugin {plugin.name!r}; there are {', '.join(sorted(known))}"
    for point, name in _FIXED.items():
        if not uses(name, getattr(plugins, point)):
            yield f"plugins.{wire_name(point)}: {name} cannot be left out"


def fused(plugins: Plugins) -> list[str]:
    """The points at which something is said of which nothing comes."""
    return [wire_name(point) for point in _FUSED if getattr(plugins, point) != PluginSet()]


def uses(name: str, *sets: PluginSet) -> bool:
    """Whether one that is used by default still is."""
    return bool(_chosen({name: name}, *sets))


def filters_of(plugins: Plugins) -> list[Filter]:
    return _chosen(_FILTERS, plugins.multi_point, plugins.filter)


def scores_of(plugins: Plugins) -> list[Weighted]:
    weights = {plugin.name: plugin.weight for one in (plugins.multi_point, plugins.score) for plugin in one.enabled}
    chosen = _chosen(_SCORES, plugins.multi_point, plugins.score)
    return [(score, weights.get(score.name) or weight) for score, weight in chosen]


def _chosen(known: Mapping[str, N], *sets: PluginSet) -> list[N]:
    """Of all known ones those that are wanted, in the order of the list."""
    wanted = set(known)
    for one in sets:
        off = {plugin.name for plugin in one.disabled}
        wanted = set() if _EVERY in off else wanted - off
        wanted |= {plugin.name for plugin in one.enabled}
    return [plugin for name, plugin in known.items() if name in wanted]
