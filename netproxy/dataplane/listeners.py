"""The TCP sockets clients come in by: a service's proxy port, its node port, and the port of all cluster addresses."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.client_address import SO_ORIGINAL_DST
from netproxy.dataplane.gate import EXHAUSTED
from netproxy.dataplane.tcp import RESET_ON_CLOSE, Flow

ACCEPTS = 64
"""Clients taken before others have their turn."""

_SOCKADDR_BYTES = 16

_CLIENT_FAULTS = frozenset(
    {errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EINTR}
)
"""accept(2): errors of the connection that was waiting, not of the listening socket."""


class TcpListener:
    """Accepts clients of one service port."""

    __slots__ = ("backends", "fd", "sock")

    def __init__(self, sock: socket.socket, backends: Backends) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.backends = backends

    def on_event(self, mask: int) -> None:  # noqa: ARG002 (a listener has one kind of event)
        """Accept until nobody waits; an accepted socket inherits TCP_NODELAY and keep-alive from this one."""
        backends = self.backends
        for _ in range(ACCEPTS):
            if backends.gate.paused:
                backends.gate.wait(self)
                return
            try:
                # Not accept(): it wraps each socket in Python and asks for options that are known here.
                fd, address = self.sock._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    backends.gate.pause()
                elif error.errno not in _CLIENT_FAULTS:
                    raise
                continue
            self.begin(socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, fd), address[0])
        backends.loop.again(self)

    def begin(self, client: socket.SocketType, client_ip: str) -> None:
        """Lead a client to an endpoint."""
        Flow(client, client_ip, self.backends).start()

    def on_fault(self) -> None:
        """Stay: the next event tries again."""

    def close(self) -> None:
        """Stop listening, also where the socket is kept for the next start; flows go on."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self.backends.loop.close_now(self.sock)


class ClusterListener(TcpListener):
    """Accepts the clients of all cluster addresses: one redirect leads them here, the kernel knows where they meant.

    Who comes by the port's own number, or to a service without endpoints, is reset.
    """

    __slots__ = ("services",)

    def __init__(self, sock: socket.socket, backends: Backends) -> None:
        super().__init__(sock, backends)
        self.services: dict[bytes, Backends] = {}
        """By port and address in network order; only the loop's thread touches it."""

    def begin(self, client: socket.SocketType, client_ip: str) -> None:
        """Lead a client to an endpoint of the service it meant."""
        try:
            meant = client.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, _SOCKADDR_BYTES)[2:8]
        except OSError:
            meant = b""  # not redirected, or its entry was dropped from the kernel's table
        backends = self.services.get(meant)
        if backends is None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            client.close()
        else:
            Flow(client, client_ip, backends).start()

    def put(self, key: bytes, backends: Backends) -> Callable[[], None]:
        """What the loop has to do so that this address leads to the service."""
        return lambda: self.services.update({key: backends})

    def drop(self, key: bytes, backends: Backends) -> Callable[[], None]:
        """What the loop has to do so that it does not; an address that another took over stays."""

        def drop() -> None:
            if self.services.get(key) is backends:
                del self.services[key]

        return drop
