"""The port of the controllers and of the scheduler: /healthz, /livez, /readyz and /metrics, read only.

Plain HTTP, on loopback unless told otherwise. /healthz gives 200 ``ok`` when nothing is wrong, also for a copy that
stands by, and 500 with what is wrong otherwise; the others are the same.
"""

import http.server
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from client import ElectionSettings
from client.metrics import show

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0
show(REGISTRY)
_HEALTH = ("/healthz", "/livez", "/readyz")
Problems = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings(ElectionSettings):
    """The settings of the port, after those of the election; a component's own ``Config`` inherits them."""

    healthz_bind_address: str = field(default="127.0.0.1", metadata={"help": "address of the health and metrics port"})
    healthz_port: int = field(default=0, metadata={"help": "port of /healthz and /metrics, plain HTTP; 0: none"})

    def health_problems(self) -> list[str]:
        return [] if 0 <= self.healthz_port < 65536 else ["healthz-port: must be from 0 to 65535"]


@contextmanager
def health_port(settings: HealthSettings, problems: Problems) -> Iterator[None]:
    """Answers while the block runs; not at all when the port is 0. Raises OSError when the port is taken."""
    if not settings.healthz_port:
        yield
        return

    class Handler(_Handler):
        pass

    Handler.problems = staticmethod(problems)
    server = http.server.ThreadingHTTPServer((settings.healthz_bind_address, settings.healthz_port), Handler)
    # Closing then waits for requests under way; each is limited by the handler's timeout.
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(REQUEST_TIMEOUT_S)
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"
    problems: Problems

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest())
        elif path in _HEALTH:
            wrong = self.problems()
            said = "".join(f"[-]{one}\n" for one in wrong) or "ok"
            status = HTTPStatus.INTERNAL_SERVER_ERROR if wrong else HTTPStatus.OK
            self._answer(status, "text/plain; charset=utf-8", said.encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"known are /healthz, /livez, /readyz and /metrics\n")

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line each."""
        log.debug("health request client=%s %s", self.client_address[0], format % args)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
