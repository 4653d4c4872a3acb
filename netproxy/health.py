"""The health port: /healthz, /livez and /metrics over plain HTTP.

/healthz gives 200 when rules and sockets follow the wanted state: a pass succeeded, none has been failing for longer
than a minute, and the data plane runs. /livez gives 200 as long as the data plane runs. Both say 503 otherwise.
"""

from __future__ import annotations

import http.server
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from netproxy.answering import REQUEST_TIMEOUT_S, HttpPort

log = logging.getLogger(__name__)

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


class HealthServer:
    """The port and its thread."""

    def __init__(
        self, address: tuple[str, int], *, health: Health, alive: Callable[[], bool], registry: CollectorRegistry
    ) -> None:
        class Handler(_Handler):
            pass

        Handler.health, Handler.alive, Handler.registry = health, staticmethod(alive), registry
        self._port = HttpPort(address, Handler, "netproxy-health")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port.port

    def start(self) -> None:
        """Answer from now on."""
        self._port.start()

    def stop(self) -> None:
        """Stop answering."""
        self._port.stop()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"
    health: Health
    alive: Callable[[], bool]
    registry: CollectorRegistry

    def do_GET(self) -> None:
        """Answer by path."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry))
        elif path in ("/healthz", "/livez"):
            well = self.alive() and (path == "/livez" or self.health.synced(time.monotonic()))
            self._answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", self._times())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"known are /healthz, /livez and /metrics\n")

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line each."""
        log.debug("health request client=%s %s", self.client_address[0], format % args)

    def _times(self) -> bytes:
        """The body kube-proxy gives."""
        return json.dumps({"lastUpdated": _iso(self.health.last_success), "currentTime": _iso(time.time())}).encode()

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat()
