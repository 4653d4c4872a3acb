"""The TCP sockets clients come in by: a service's proxy port and its node port."""

from __future__ import annotations

import errno
import socket

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.gate import EXHAUSTED
from netproxy.dataplane.tcp import Flow

ACCEPTS = 64
"""Clients taken before others have their turn."""

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
            Flow(socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, fd), address[0], backends).start()
        backends.loop.again(self)

    def on_fault(self) -> None:
        """Stay: the next event tries again."""

    def close(self) -> None:
        """Stop listening; flows go on."""
        self.backends.loop.close_now(self.sock)
