"""How fast nodes may be given up: each zone at its own pace, slower or not at all when much of it is away.

Values in, values out. The rules and their figures are those of Kubernetes' node controller: a zone of which
``unhealthy-zone-threshold`` is away (and more than two nodes) is given up at ``secondary-node-eviction-rate``, or not
at all when it is small; a zone that is away as a whole is given up at the usual pace, since its pods can go elsewhere;
when all zones are away it is the master who is, and nothing is given up.
Source: https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from api.core import Node

_ZONE = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_ALMOST_ONE = 1.0 - 1e-9  # a hundred hundredths are not quite one
_REGION = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Rates are nodes a second."""

    rate: float
    secondary_rate: float
    unhealthy_share: float
    large_zone: int
    """A zone of at most so many nodes is small."""


class State(Enum):
    """How much of a zone is away."""

    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


def zone_of(node: Node) -> str:
    labels = node.metadata.labels
    region = next((labels[key] for key in _REGION if key in labels), "")
    zone = next((labels[key] for key in _ZONE if key in labels), "")
    return f"{region}:{zone}"


def state_of(ready: int, away: int, limits: Limits) -> State:
    if away and not ready:
        return State.FULL
    if away > 2 and away / (ready + away) >= limits.unhealthy_share:
        return State.PARTIAL
    return State.NORMAL


def rate_of(state: State, nodes: int, limits: Limits) -> float:
    if state is not State.PARTIAL:
        return limits.rate
    return limits.secondary_rate if nodes > limits.large_zone else 0.0


class _Zone:
    """A bucket of permissions that fills at the zone's rate, and the nodes that wait for one, in order."""

    def __init__(self, rate: float, moment: float) -> None:
        self.state = State.NORMAL
        self.waiting: dict[str, None] = {}
        self._rate = rate
        self._permitted = 1.0
        self._at = moment

    def fill(self, rate: float, moment: float) -> None:
        """At most what a round needs is kept, and never less than one."""
        gained = (moment - self._at) * self._rate
        self._permitted = min(self._permitted + gained, max(1.0, gained))
        self._at, self._rate = moment, rate

    def take(self) -> list[str]:
        taken = []
        while self.waiting and self._permitted >= _ALMOST_ONE and self._rate > 0:
            name = next(iter(self.waiting))
            del self.waiting[name]
            self._permitted -= 1.0
            taken.append(name)
        return taken


class Zones:
    """All zones. One thread uses it; only ``stopped`` is read by others."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._zones: dict[str, _Zone] = {}
        self.stopped = False
        """Whether all zones are away, so that nothing is given up."""

    def review(self, nodes: Iterable[tuple[str, str, bool]], condemned: Iterable[str]) -> dict[str, State]:
        """nodes: name, zone, whether it is ready, of each. condemned: those of them that are to be given up. Returns
        the zones whose state has changed."""
        counts: dict[str, list[int]] = {}
        zone_by_node: dict[str, str] = {}
        for name, zone, ready in nodes:
            counts.setdefault(zone, [0, 0])[0 if ready else 1] += 1
            zone_by_node[name] = zone
        moment = self._clock()
        states = {zone: state_of(ready, away, self._limits) for zone, (ready, away) in counts.items()}
        self.stopped = bool(states) and set(states.values()) == {State.FULL}
        changed = self._set(states, {zone: sum(count) for zone, count in counts.items()}, moment)
        self._queue(condemned, zone_by_node)
        return changed

    def _set(self, states: Mapping[str, State], sizes: Mapping[str, int], moment: float) -> dict[str, State]:
        self._zones = {name: zone for name, zone in self._zones.items() if name in states}
        changed: dict[str, State] = {}
        for name, state in states.items():
            rate = 0.0 if self.stopped else rate_of(state, sizes[name], self._limits)
            zone = self._zones.setdefault(name, _Zone(rate, moment))
            if zone.state is not state:
                zone.state = changed[name] = state
            zone.fill(rate, moment)
        return changed

    def _queue(self, condemned: Iterable[str], zone_by_node: Mapping[str, str]) -> None:
        wanted = dict.fromkeys(condemned)
        for zone_name, zone in self._zones.items():
            mine = {name: None for name in wanted if zone_by_node[name] == zone_name}
            kept = {name: None for name in zone.waiting if name in mine}
            zone.waiting = {**kept, **mine}

    def take(self) -> list[str]:
        """The nodes that may be given up now."""
        return [] if self.stopped else [name for zone in self._zones.values() for name in zone.take()]
