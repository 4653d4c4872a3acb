"""When each node was last heard of, and whether this controller could have heard it at all.

The clock runs on while the machine sleeps: a sleep must be seen as the gap that it is.
"""

from collections.abc import Iterable

from api.coordination import Lease
from api.core import Node, NodeCondition
from api.scalars import now
from client.clock import Clock, boot_time

CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


class Heartbeats:
    """When a sign of each node changed last, by the clock that is passed in."""

    def __init__(self, clock: Clock = boot_time) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[object, float]] = {}

    def silence_s(self, node: str, sign: object) -> float:
        """Seconds since ``sign`` (whatever a heartbeat changes) was first seen for this node."""
        before = self._heard.get(node)
        if before is None or before[0] != sign:
            self._heard[node] = (sign, self._clock())
            return 0.0
        return self._clock() - before[1]

    def forget(self) -> None:
        """Every node has its whole grace period again."""
        self._heard.clear()

    def keep_only(self, nodes: Iterable[str]) -> None:
        alive = set(nodes)
        self._heard = {node: seen for node, seen in self._heard.items() if node in alive}


class Attention:
    """Whether the nodes could be heard without a gap: the master answered, and this process ran.

    ``limit_s``: a longer time between two looks is a gap, in which any node may have seemed silent.
    """

    def __init__(self, limit_s: float, clock: Clock = boot_time) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._last = self._since = clock()

    def look(self) -> bool:
        """A look that could hear all. Whether the one before was not too long ago."""
        moment = self._clock()
        unbroken = moment - self._last <= self._limit_s
        self._last = moment
        if not unbroken:
            self._since = moment
        return unbroken

    def lose(self) -> None:
        """Nobody can be heard: what is counted begins anew."""
        self._last = self._since = self._clock()

    def steady_s(self) -> float:
        """For how long all could be heard; 0 when the last look is too long ago."""
        moment = self._clock()
        return moment - self._since if moment - self._last <= self._limit_s else 0.0


def sign(node: Node, lease: Lease | None) -> tuple[object, ...]:
    """Whatever a heartbeat changes."""
    ready = next((item for item in node.status.conditions if item.type == "Ready"), None)
    beat = ready.last_heartbeat_time if ready is not None else None
    return node.metadata.uid, lease.spec.renew_time if lease is not None else None, beat


def unknown_conditions(node: Node) -> list[NodeCondition]:
    """The conditions that tell of a silent node; only those that are not Unknown yet."""
    moment = now()
    changed: list[NodeCondition] = []
    for condition_type in CONDITIONS:
        current = next((item for item in node.status.conditions if item.type == condition_type), None)
        if current is not None and current.status == "Unknown":
            continue
        reason = "NodeStatusUnknown" if current is not None else "NodeStatusNeverUpdated"
        said = "Kubelet stopped posting node status." if current is not None else "Kubelet never posted node status."
        changed.append(
            NodeCondition(
                type=condition_type,
                status="Unknown",
                last_heartbeat_time=current.last_heartbeat_time if current is not None else None,
                last_transition_time=moment,
                reason=reason,
                message=said,
            )
        )
    return changed
