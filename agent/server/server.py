"""The agent's port: TLS with client certificates or tokens, a bounded number of connections, one thread each.

Routes are a table of exact paths and of prefixes; see ``routes``.
"""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from agent.config import Config
from agent.server.authorization import Authorizer
from agent.server.requests import Request, RequestHandler, Response, RoutingServer, Takeover
from api.errors import MethodNotAllowed, NotFound
from client.fresh import Fresh

log = logging.getLogger(__name__)

_ACCEPT_RETRY_S = 0.2
Route = Callable[[Request], Response]
StreamRoute = Callable[[Request], Response | Takeover]


class AgentServer(RoutingServer):
    """``exact``: path to route. ``prefixes``: beginning of a path to route; ``streams`` the same, for connections that
    go over to another protocol."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        config: Config,
        *,
        exact: dict[str, Route],
        prefixes: dict[str, Route],
        streams: dict[str, StreamRoute],
        authorizer: Authorizer,
    ) -> None:
        self.authorizer = authorizer
        self._streams = streams
        self._exact = exact
        self._prefixes = prefixes
        self._config = config
        self._renew()
        self._fresh = Fresh(config.tls_cert_file, config.tls_private_key_file, config.client_ca_file)
        self._free = threading.BoundedSemaphore(config.server_connections)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._accept_always, name="agent-server", daemon=True)
        if ":" in config.address:
            self.address_family = socket.AF_INET6
        super().__init__((config.address, config.port), RequestHandler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """No new connections; those open are cut."""
        self._stopping.set()
        _cut(self.socket)
        self._thread.join(timeout_s)
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _cut(connection)
        for _ in connections:
            self._free.acquire(timeout=timeout_s / max(len(connections), 1))

    def _accept_always(self) -> None:
        """Blocks in accept: serve_forever of the base class would wake twice a second for nothing."""
        while not self._stopping.is_set():
            try:
                request, client_address = self.get_request()
            except OSError as error:
                if not self._stopping.wait(_ACCEPT_RETRY_S):
                    log.warning("no connection accepted error=%s", error)
                continue
            self._fresh.follow(self._renew)
            self.process_request(request, client_address)

    def route(self, request: Request) -> Response | Takeover:
        """Raises NotFound, MethodNotAllowed."""
        for prefix, stream in self._streams.items():
            if request.path.startswith(prefix):
                return stream(request)
        if request.method != "GET":
            raise MethodNotAllowed("this path answers GET only")
        if request.path in self._exact:
            return self._exact[request.path](request)
        for prefix, route in self._prefixes.items():
            if request.path.startswith(prefix):
                return route(request)
        raise NotFound(f"the agent has no {request.path}")

    def _renew(self) -> None:
        """Raises OSError."""
        certificate = self._config.tls_cert_file.read_bytes()
        self._context = _tls(self._config)
        self.certificate = certificate

    @property
    def failed_renewals(self) -> int:
        """How often the certificate or its key was replaced by one that could not be used."""
        return self._fresh.failures

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hands a connection to a thread; closes it at once when all are taken."""
        if not self._free.acquire(blocking=False):
            log.warning("connection refused, all are taken client=%s", client_address[0])
            self.shutdown_request(request)
            return
        with self._lock:
            self._open.add(request)
        name = f"agent-server-{client_address[0]}:{client_address[1]}"
        threading.Thread(target=self._serve, args=(request, client_address), name=name, daemon=True).start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        secure: socket.socket = request
        try:
            secure = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                self._open.discard(request)
                self._open.add(secure)
            self.finish_request(secure, client_address)
        except OSError as error:  # among them every ssl.SSLError: a client with a strange certificate, or one that left
            log.info("connection ended client=%s error=%s", client_address[0], error)
        finally:
            with self._lock:
                self._open.discard(request)
                self._open.discard(secure)
            self.shutdown_request(secure)
            self._free.release()


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # its own thread was faster


def _tls(config: Config) -> ssl.SSLContext:
    """Raises OSError when a file is missing or is no certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(config.client_ca_file))
    context.load_cert_chain(str(config.tls_cert_file), str(config.tls_private_key_file))
    context.verify_mode = ssl.CERT_OPTIONAL  # who has none needs a token
    return context
