"""An HTTP port with a thread that sleeps while nobody asks: `serve_forever` alone would wake twice a second."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from typing import Any

REQUEST_TIMEOUT_S = 5.0
ACCEPT_PAUSE_S = 0.1
_LONG_S = 86_400.0
"""Between two looks whether it shall stop; `stop` wakes it."""


class _Server(http.server.ThreadingHTTPServer):
    """Closing waits for requests under way; each is limited by the handler's timeout."""

    daemon_threads = False

    def get_request(self) -> tuple[socket.socket, Any]:
        """Out of file descriptors, who waits stays to be accepted, and would be tried without a rest."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(ACCEPT_PAUSE_S)
            raise


class HttpPort:
    """Raises OSError when the address cannot be had."""

    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler], name: str) -> None:
        self._server = _Server(address, handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_LONG_S,), name=name, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close it; requests under way end within their limit."""
        if self._thread.is_alive():
            self._server.socket.shutdown(socket.SHUT_RDWR)  # ends the wait
            self._server.shutdown()
            self._thread.join(REQUEST_TIMEOUT_S)
        self._server.server_close()
