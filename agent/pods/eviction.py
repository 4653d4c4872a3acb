"""Which pod has to go when the node runs short, and what is said of it. Pure.

The order is the kubelet's: pods that use more than they asked for first, then by priority, then by how much more they
use; of process ids, which nobody asks for, by priority and number. Pods of the system (static ones, and those of a
critical priority) are never chosen.
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.config import Config
from agent.node.facts import Pressure
from agent.pods.manifests import is_static
from agent.pods.qos import amount
from api.core import Pod

CRITICAL_PRIORITY = 2_000_000_000
INODES_LEAST_PERCENT = 5.0
PIDS = "pids"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A resource of which too little is left. ``threshold`` and ``available`` as people read them."""

    resource: str
    threshold: str
    available: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """A pod that goes, and the sentence of its status and event."""

    uid: str
    message: str


def shortages(config: Config, pressure: Pressure) -> list[Shortage]:
    """Memory first: the kernel does not wait."""
    found = []
    if pressure.memory_available_bytes < config.memory_available_bytes:
        found.append(
            Shortage(
                resource="memory",
                threshold=f"{config.memory_available_bytes // 1024}Ki",
                available=f"{pressure.memory_available_bytes // 1024}Ki",
            )
        )
    for percent, least in (
        (pressure.disk_available_percent, config.disk_available_percent),
        (pressure.inodes_available_percent, min(INODES_LEAST_PERCENT, config.disk_available_percent)),
    ):
        if percent < least:
            found.append(Shortage(resource="ephemeral-storage", threshold=f"{least:g}%", available=f"{percent:.1f}%"))
    percent, least = pressure.pid_available_percent, config.pid_available_percent
    if percent < least:
        found.append(Shortage(resource=PIDS, threshold=f"{least:g}%", available=f"{percent:.1f}%"))
    return found


def choose(pods: Iterable[Pod], usage: Mapping[str, Mapping[str, int]], shortage: Shortage) -> Eviction | None:
    """The one pod that goes now; None when none may. usage: uid to container name to bytes, or number, of it."""
    ranked = sorted(
        (pod for pod in pods if _may_go(pod)), key=lambda pod: _rank(pod, usage.get(pod.metadata.uid, {}), shortage)
    )
    if not ranked:
        return None
    pod = ranked[0]
    return Eviction(uid=pod.metadata.uid, message=_message(pod, usage.get(pod.metadata.uid, {}), shortage))


def is_critical(pod: Pod) -> bool:
    """Of the system: static ones, and those of such a priority."""
    return is_static(pod) or (pod.spec.priority or 0) >= CRITICAL_PRIORITY


def _may_go(pod: Pod) -> bool:
    over = pod.status.phase in ("Succeeded", "Failed")
    return not is_critical(pod) and not over and pod.metadata.deletion_timestamp is None


def _rank(pod: Pod, used: Mapping[str, int], shortage: Shortage) -> tuple[bool, int, int, str]:
    """Smallest goes first; the uid settles a tie, so that two looks choose the same."""
    total = sum(used.values())
    asked = sum(_request(pod, name, shortage) for name in {c.name for c in pod.spec.containers})
    within = shortage.resource != PIDS and total <= asked
    return within, pod.spec.priority or 0, asked - total, pod.metadata.uid


def _request(pod: Pod, name: str, shortage: Shortage) -> int:
    container = next((c for c in pod.spec.containers if c.name == name), None)
    found = amount(container, "requests", shortage.resource) if container is not None else None
    return found.units if found is not None else 0


def _message(pod: Pod, used: Mapping[str, int], shortage: Shortage) -> str:
    """The kubelet's own words."""
    parts = [
        f"The node was low on resource: {shortage.resource}. "
        f"Threshold quantity: {shortage.threshold}, available: {shortage.available}. "
    ]
    for name, used_bytes in sorted(used.items()) if shortage.resource != PIDS else ():
        asked = _request(pod, name, shortage)
        if used_bytes > asked:
            parts.append(
                f"Container {name} was using {used_bytes // 1024}Ki, request is {asked // 1024 if asked else 0}"
                f"{'Ki' if asked else ''}, has larger consumption of {shortage.resource}. "
            )
    return "".join(parts)
