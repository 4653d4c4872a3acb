"""Plain HTTP beside the names: /metrics, /health and /ready, each on a port of its own, as CoreDNS has them.

Health and readiness stand on the address of the names: who asks for them is on this host. Metrics are for others.
"""

import http.server
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0
ACCEPT_PAUSE_S = 0.1
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"
Answer = Callable[[], tuple[HTTPStatus, bytes]]


class Door:
    """One port and its one path. Raises OSError that names the port when it is taken."""

    def __init__(self, address: str, port: int, path: str, answer: Answer, *, content_type: str = TEXT_TYPE) -> None:
        class Handler(_Handler):
            pass

        Handler.path_served, Handler.answer, Handler.content_type = path, staticmethod(answer), content_type
        try:
            self._server = _Server((address, port), Handler)
        except OSError as error:
            raise OSError(error.errno, f"listen on {address} port {port} for {path}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._serve, name=f"dns{path}", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.stopping.set()
        if self._thread.ident is not None:
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes who waits
            self._thread.join(REQUEST_TIMEOUT_S)
        self._server.server_close()

    def _serve(self) -> None:
        """Blocks until somebody comes: serve_forever would wake twice a second for nothing."""
        while not self._server.stopping.is_set():
            self._server.handle_request()


class _Server(http.server.ThreadingHTTPServer):
    """Closing waits for requests under way; each is limited by the handler's timeout."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self.stopping = threading.Event()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:
            self.stopping.wait(ACCEPT_PAUSE_S)  # out of file descriptors
            raise


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"
    path_served: str
    answer: Answer
    content_type: str

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == self.path_served:
            self._send(*self.answer())
        else:
            self._send(HTTPStatus.NOT_FOUND, f"known is {self.path_served}\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line each."""
        log.debug("request client=%s %s", self.client_address[0], format % args)

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
