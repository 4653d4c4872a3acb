"""Which taints tell of a node's conditions: pure.

``NoSchedule`` follows the conditions at once. ``NoExecute``, which drives pods away, is taken off or exchanged at once
too; putting it on is a matter of pace (``zones.py``).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from api.core import Node, Taint

_PREFIX = "node.kubernetes.io/"
NOT_READY = _PREFIX + "not-ready"
UNREACHABLE = _PREFIX + "unreachable"
OUT_OF_SERVICE = _PREFIX + "out-of-service"
_UNSCHEDULABLE = _PREFIX + "unschedulable"
_BY_CONDITION = {
    "MemoryPressure": _PREFIX + "memory-pressure",
    "DiskPressure": _PREFIX + "disk-pressure",
    "PIDPressure": _PREFIX + "pid-pressure",
    "NetworkUnavailable": _PREFIX + "network-unavailable",
}
_NO_SCHEDULE, _NO_EXECUTE = "NoSchedule", "NoExecute"
_MANAGED = {
    *((key, _NO_SCHEDULE) for key in (NOT_READY, UNREACHABLE, _UNSCHEDULABLE, *_BY_CONDITION.values())),
    *((key, _NO_EXECUTE) for key in (NOT_READY, UNREACHABLE)),
}
_Mark = tuple[str, str]


def status_of(node: Node, kind: str) -> str:
    return next((item.status for item in node.status.conditions if item.type == kind), "")


def away(node: Node) -> str:
    """The taint of a node that is not ready; empty for one that is, and for one that has not said anything yet."""
    ready = status_of(node, "Ready")
    return {"": "", "True": "", "Unknown": UNREACHABLE}.get(ready, NOT_READY)


def drives_away(taints: Iterable[Taint]) -> list[Taint]:
    return [taint for taint in taints if taint.effect == _NO_EXECUTE]


def wanted(node: Node, *, give_up: bool, spare: bool, moment: datetime) -> list[Taint] | None:
    """The taints that a node shall have; None when it has them.

    give_up: its pods may be driven away now. spare: nobody's may, not even where it has begun.
    """
    marks = _marks(node, give_up=give_up, spare=spare)
    has = {_mark(taint) for taint in node.spec.taints}
    if has & _MANAGED == marks:
        return None
    kept = [taint for taint in node.spec.taints if _mark(taint) in marks or _mark(taint) not in _MANAGED]
    return [*kept, *(_made(mark, moment) for mark in sorted(marks - has))]


def _marks(node: Node, *, give_up: bool, spare: bool) -> set[_Mark]:
    keys = [taint for kind, taint in _BY_CONDITION.items() if status_of(node, kind) == "True"]
    keys += [_UNSCHEDULABLE] if node.spec.unschedulable else []
    reason = away(node)
    if not reason:
        return {(key, _NO_SCHEDULE) for key in keys}
    begun = is_given_up(node.spec.taints)
    driven = {(reason, _NO_EXECUTE)} if (give_up or begun) and not spare else set[_Mark]()
    return {(key, _NO_SCHEDULE) for key in (*keys, reason)} | driven


def is_given_up(taints: Sequence[Taint]) -> bool:
    """Whether a node's pods are being driven away for its silence."""
    return any(taint.key in (NOT_READY, UNREACHABLE) for taint in drives_away(taints))


def _mark(taint: Taint) -> _Mark:
    return taint.key, taint.effect


def _made(mark: _Mark, moment: datetime) -> Taint:
    return Taint(key=mark[0], effect=mark[1], time_added=moment if mark[1] == _NO_EXECUTE else None)
