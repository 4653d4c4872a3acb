"""Opening the sockets the data plane listens on. All are on every local address and do not block."""

from __future__ import annotations

import errno
import socket

from netproxy.dataplane.udp import IP_PKTINFO
from netproxy.services import Protocol

BACKLOG = 4096
KEEPALIVE_IDLE_S = 300
"""A client that vanished without a word is noticed after this and some probes (tcp(7))."""

_TRIES = 32


def listen_tcp(port: int) -> socket.socket:
    """A listening socket; port 0 lets the kernel choose. OSError EADDRINUSE when another has the port."""
    sock = _socket(socket.SOCK_STREAM)
    try:
        # Only waiting remains of old connections are ignored by this: another listener is still a clash.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        sock.bind(("0.0.0.0", port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def bind_udp(port: int) -> socket.socket:
    """A socket for datagrams that tells which local address each was sent to."""
    sock = _socket(socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind(("0.0.0.0", port))
    except OSError:
        sock.close()
        raise
    return sock


def open_port(protocol: Protocol, port: int) -> socket.socket:
    """The socket for one port of this protocol."""
    return listen_tcp(port) if protocol is Protocol.TCP else bind_udp(port)


def open_preferred(protocol: Protocol, port: int) -> socket.socket:
    """The port used before, when it is still free, else one of the kernel's choice."""
    if port:
        try:
            return open_port(protocol, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return open_port(protocol, 0)


class RefusePort:
    """A port number at which everything is refused by the kernel, held so that nobody else answers there.

    TCP: bound, not listening, so a connection is reset. UDP: bound and connected to a peer that never writes, so other
    datagrams find no socket and the sender is told that the port is unreachable.
    """

    def __init__(self, preferred: int = 0) -> None:
        self._sockets = _hold_both(preferred)
        self.port: int = self._sockets[0].getsockname()[1]

    def close(self) -> None:
        """Give the number back."""
        for sock in self._sockets:
            sock.close()


def _hold_both(preferred: int) -> tuple[socket.socket, socket.socket]:
    """A number that is free for both protocols; the kernel's choice for TCP may be taken for UDP."""
    for attempt in range(_TRIES):
        tcp, udp = _socket(socket.SOCK_STREAM), _socket(socket.SOCK_DGRAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("0.0.0.0", preferred if attempt == 0 else 0))
            udp.bind(("0.0.0.0", tcp.getsockname()[1]))
            udp.connect(("127.0.0.1", 1))
        except OSError as error:
            tcp.close()
            udp.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return tcp, udp
    raise OSError(errno.EADDRINUSE, "no port is free for both TCP and UDP")


def _socket(kind: int) -> socket.socket:
    return socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
