"""When the change happened that endpoints are written for: the pod's or the service's own time of it.

Proxies tell by it how long the network took to follow (kubeproxy_network_programming_duration_seconds).

Source: k8s.io/endpointslice, util/trigger_time_tracker.go.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from api.core import Pod, Service
from api.meta import ObjectMeta
from api.selectors import from_map
from master.controllers.loop import Key
from master.controllers.pods import condition

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


class _Readiness(NamedTuple):
    """Of a pod: since when, and which. A pod may get ready within the second in which it was said not to be."""

    since: datetime
    status: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """The times that a service's last look saw."""

    service: datetime | None
    pods: dict[str, _Readiness] = field(default_factory=dict)


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
        found = {pod.metadata.name: _readiness(pod) for pod in pods if selector.matches(pod.metadata.labels)}
        now = _Seen(service.metadata.creation_timestamp, {name: one for name, one in found.items() if one is not None})
        key = (service.metadata.namespace, service.metadata.name)
        with self._lock:
            before, self._seen[key] = self._seen.get(key), now
        if before is None:
            return now.service
        changed = [one.since for name, one in now.pods.items() if _is_news(one, before.pods.get(name))]
        if now.service is not None and (before.service is None or now.service > before.service):
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


def _readiness(pod: Pod) -> _Readiness | None:
    ready = condition(pod, "Ready")
    if ready is None or ready.last_transition_time is None:
        return None
    return _Readiness(ready.last_transition_time, ready.status)


def _is_news(one: _Readiness, before: _Readiness | None) -> bool:
    return before is None or one.since > before.since or (one.since == before.since and one.status != before.status)
