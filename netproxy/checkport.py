"""One port of a `healthCheckNodePort`. The answer is kube-proxy's."""

from __future__ import annotations

import http.server
import json
import logging
from collections.abc import Callable
from http import HTTPStatus

from netproxy.answering import REQUEST_TIMEOUT_S, HttpPort
from netproxy.services import HealthCheck

log = logging.getLogger(__name__)


class CheckPort:
    """It answers from now on. Raises OSError."""

    def __init__(self, check: HealthCheck, healthy: Callable[[], bool]) -> None:
        self.check = check
        self.healthy = healthy
        handler = type("Handler", (_Handler,), {"port": self})
        self._port = HttpPort(("0.0.0.0", check.port), handler, f"netproxy-check-{check.port}")
        self._port.start()

    def stop(self) -> None:
        """Close it."""
        self._port.stop()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"
    port: CheckPort

    def do_GET(self) -> None:
        """The answer, whatever the path."""
        check, healthy = self.port.check, self.port.healthy()
        body = json.dumps(
            {
                "service": {"namespace": check.namespace, "name": check.service},
                "localEndpoints": check.local_endpoints,
                "serviceProxyHealthy": healthy,
            }
        ).encode()
        self.send_response(HTTPStatus.OK if check.local_endpoints and healthy else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Load-Balancing-Endpoint-Weight", str(check.local_endpoints))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line each."""
        log.debug("health check client=%s %s", self.client_address[0], format % args)
