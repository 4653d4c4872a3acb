"""`healthCheckNodePort`: tells a load balancer outside whether this node has endpoints of a service (policy Local).

The answer is kube-proxy's: 200 with local endpoints, 503 without, and the number of them. Each port is an HTTP server
with a thread; there are as many as services of type LoadBalancer with the policy Local.
"""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus

from netproxy.services import HealthCheck

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0
_Key = tuple[str, str, int]


class HealthChecks:
    """The ports that are open. For one control thread."""

    def __init__(self, *, healthy: Callable[[], bool]) -> None:
        self._healthy = healthy
        self._open: dict[_Key, _Port] = {}

    def apply(self, wanted: Sequence[HealthCheck]) -> list[tuple[HealthCheck, str]]:
        """Have exactly these ports; returns those that cannot be had, each with why."""
        by_key = {(one.namespace, one.service, one.port): one for one in wanted}
        for key in self._open.keys() - by_key.keys():
            self._open.pop(key).stop()
        failed = []
        for key, one in by_key.items():
            if key in self._open:
                self._open[key].check = one
                continue
            try:
                self._open[key] = _Port(one, self._healthy)
            except OSError as error:
                failed.append((one, error.strerror or str(error)))
        return failed

    def stop(self) -> None:
        """Close all."""
        self.apply(())


class _Port:
    """One port."""

    def __init__(self, check: HealthCheck, healthy: Callable[[], bool]) -> None:
        self.check = check
        self.healthy = healthy
        handler = type("Handler", (_Handler,), {"port": self})
        self._server = http.server.ThreadingHTTPServer(("0.0.0.0", check.port), handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, name=f"netproxy-check-{check.port}")
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        """Close it; requests under way end within their limit."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(REQUEST_TIMEOUT_S)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"
    port: _Port

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
