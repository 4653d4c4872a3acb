"""When the change happened that endpoints are written for: the pod's or the service's own time of it.

Proxies tell by it how long the network took to follow (kubeproxy_network_programming_duration_seconds).

Source: k8s.io/endpointslice, util/trigger_time_tracker.go.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.core import Pod, Service
from api.meta import ObjectMeta
from api.selectors import from_map
from master.controllers.loop import Key
from master.controllers.pods import condition

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(frozen=True, slots=True)
class _Seen:
    """The times that a service's last look saw."""

    service: datetime | None
    pods: dict[str, datetime] = field(default_factory=dict)


class Triggers:
    """Remembers of each service what was seen of it last. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Key, _Seen] = {}

    def look(self, service: Service, pods: Iterable[Pod]) -> datetime | None:
        """The earliest of the changes since the last look; for a service that is new here, when it was made. None when
        nothing of it has a newer time.
        """
        selector = from_map(service.spec.selector)
        times = {pod.metadata.name: _time_of(pod) for pod in pods if selector.matches(pod.metadata.labels)}
        now = _Seen(
            service.metadata.creation_timestamp, {name: when for name, when in times.items() if when is not None}
        )
        key = (service.metadata.namespace, service.metadata.name)
        with self._lock:
            before, self._seen[key] = self._seen.get(key), now
        if before is None:
            return now.service
        changed = [when for name, when in now.pods.items() if _later(when, before.pods.get(name))]
        if now.service is not None and _later(now.service, before.service):
            changed.append(now.service)
        return min(changed, default=None)

    def forget(self, key: Key) -> None:
        with self._lock:
            self._seen.pop(key, None)


def mark(metadata: ObjectMeta, triggered: datetime | None) -> None:
    """What is written for no change that has a time bears none: an older one would tell of a network that is slow."""
    metadata.annotations.pop(TRIGGER_TIME, None)
    if triggered is not None:
        metadata.annotations[TRIGGER_TIME] = triggered.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time_of(pod: Pod) -> datetime | None:
    """When its readiness changed last."""
    ready = condition(pod, "Ready")
    return ready.last_transition_time if ready is not None else None


def _later(when: datetime, before: datetime | None) -> bool:
    return before is None or when > before
