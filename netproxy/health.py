"""The health port: /healthz, /livez and /metrics over plain HTTP.

/healthz gives 200 when rules and sockets follow the wanted state: a pass succeeded, none has been failing for longer
than a minute, and the data plane runs. /livez gives 200 as long as the data plane runs. Both say 503 otherwise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from prometheus_client import CollectorRegistry

from client.httpport import Answer, HttpPort, by_path
from client.showing import exposition

FAILING_LIMIT_S = 60.0


@dataclass(slots=True)
class Health:
    """How the passes went. The control thread writes, the health port reads."""

    last_success: float = 0.0
    """Seconds since 1970; 0: none yet."""
    failing_since: float = 0.0
    """Monotonic; 0: the last pass succeeded."""

    def succeeded(self) -> None:
        """A pass went well."""
        self.last_success, self.failing_since = time.time(), 0.0

    def failed(self) -> None:
        """A pass failed."""
        self.failing_since = self.failing_since or time.monotonic()

    def synced(self, now: float) -> bool:
        """Whether the node follows the wanted state, at this monotonic time."""
        lagging = bool(self.failing_since) and now - self.failing_since > FAILING_LIMIT_S
        return self.last_success > 0 and not lagging


def health_port(
    address: tuple[str, int], *, health: Health, alive: Callable[[], bool], registry: CollectorRegistry
) -> HttpPort:
    """The port, to be started. Raises OSError."""

    def told(*, well: bool) -> Answer:
        """The body is kube-proxy's."""
        body = json.dumps({"lastUpdated": _iso(health.last_success), "currentTime": _iso(time.time())}).encode()
        return Answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, body, "application/json")

    routes: dict[str, Callable[[], Answer]] = {
        "/healthz": lambda: told(well=alive() and health.synced(time.monotonic())),
        "/livez": lambda: told(well=alive()),
        "/metrics": partial(exposition, registry),
    }
    return HttpPort(*address, by_path(routes), name="netproxy-health")


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat()
