"""TCP: accept, pick, connect without blocking, copy both ways.

Rules kept. An endpoint that refuses, is unreachable or does not answer in time is left for the next one before the
client notices; what the client said meanwhile is kept. The end of one direction is passed on as such (half-close), the
other goes on. While one side does not take what it is sent, the other is not read (back-pressure), so a flow holds at
most one buffer a direction. A reset is passed on as a reset, after what came before it.

Edge-triggered reading: a read shorter than the buffer means that the socket is empty, and the next data raise a new
edge. That does not hold once the peer's end of stream was announced: its edge may be spent already, so such a socket
is read until it says end or "would block".
"""

from __future__ import annotations

import errno
import functools
import select
import socket
import struct
from typing import TYPE_CHECKING

from netproxy.dataplane.gate import EXHAUSTED
from netproxy.services import Endpoint

if TYPE_CHECKING:
    from netproxy.dataplane.backends import Backends

BUFFER_BYTES = 64 * 1024
TURNS = 16
"""Buffers copied in one direction before others have their turn."""
DIAL_TIMEOUTS_S = (0.25, 0.5, 1.0, 2.0)
"""Patience for each attempt; kube-proxy's own steps, the last one repeats."""
MAX_ATTEMPTS = 8
"""Time-outs and new rounds before the client is refused."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_READABLE = select.EPOLLIN | _ENDED
_BROKEN = select.EPOLLHUP | select.EPOLLERR
_ERROR = select.EPOLLERR
_OUT = select.EPOLLOUT
_RECEIVE = socket.MSG_DONTWAIT
_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC

_buffer = bytearray(BUFFER_BYTES)
_view = memoryview(_buffer)
"""One buffer for all flows: nothing stays in it between two calls. Only one loop may run in a process."""


class Side:
    """One socket of a flow."""

    __slots__ = ("ended", "eof", "fd", "flow", "peer", "pending", "readable", "sock")

    def __init__(self, sock: socket.SocketType, flow: Flow) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.flow = flow
        self.peer: Side | None = None
        self.pending: bytes | memoryview = b""
        """Waits until this socket can be written."""
        self.readable = False
        self.ended = False
        """The peer's end of stream or error was announced: read until it is found."""
        self.eof = False

    def on_event(self, mask: int) -> None:
        """Note what is ready and move what can be moved."""
        if mask & _READABLE:
            self.readable = True
            if mask & _ENDED:
                self.ended = True
        peer = self.peer
        if peer is None:
            self.flow.on_dialling(self, mask)
            return
        if mask & _ERROR and (self.eof or peer.pending):
            # A reset that reading would not find: nothing is read from this side any more, or not now.
            self.flow.abort()
            return
        if mask & _OUT and self.pending and self.flush() and peer.readable and not peer.eof:
            pump(peer, self)
        if self.readable and not self.eof and self.peer is not None:
            pump(self, peer)

    def on_fault(self) -> None:
        """Give the flow up, unless it was closed before the error."""
        if hasattr(self, "flow"):
            self.flow.abort()

    def flush(self) -> bool:
        """Write what is pending; True when nothing is left."""
        try:
            sent = self.sock.send(self.pending, _SEND)
        except BlockingIOError:
            return False
        except OSError:
            self.flow.broken(self)
            return False
        if sent == len(self.pending):
            self.pending = b""
            return True
        self.pending = memoryview(self.pending)[sent:]
        return False


def pump(source: Side, target: Side) -> None:
    """Copy from one side to the other until one of them has enough, or the turn is over."""
    receive, send = source.sock.recv_into, target.sock.send
    for _ in range(TURNS):
        if target.pending:
            return
        try:
            count = receive(_buffer, BUFFER_BYTES, _RECEIVE)
        except BlockingIOError:
            source.readable = False
            return
        except OSError:
            source.flow.abort()
            return
        if not count:
            source.flow.half_closed(source, target)
            return
        try:
            sent = send(_view[:count], _SEND)
        except BlockingIOError:
            sent = 0
        except OSError:
            source.flow.broken(target)
            return
        if sent < count:
            target.pending = bytes(_view[sent:count])
            return
        if count < BUFFER_BYTES and not source.ended:
            source.readable = False
            return
    source.flow.backends.loop.again(source)


class Flow:
    """One client connection and its way to an endpoint."""

    __slots__ = ("attempt", "backend", "backends", "client", "client_ip", "early", "endpoint", "open", "reset", "tried")

    def __init__(self, sock: socket.SocketType, client_ip: str, backends: Backends) -> None:
        self.backends = backends
        self.client = Side(sock, self)
        self.client_ip = client_ip
        self.backend: Side | None = None
        self.endpoint: Endpoint | None = None
        self.early = b""
        self.tried: frozenset[Endpoint] = frozenset()
        self.attempt = 0
        self.open = True
        self.reset = False

    def start(self) -> None:
        """Take what the client already sent, and go to an endpoint."""
        counters = self.backends.counters
        counters.accepted += 1
        counters.active += 1
        if self._read_early():
            self.backends.loop.add(self.client)
            self.dial()

    def dial(self) -> None:
        """Ask endpoints in turn until one connects, may connect, or none is left."""
        backends, now = self.backends, self.backends.loop.now
        while True:
            endpoint = self._next_endpoint(now)
            if endpoint is None:
                backends.counters.refused += 1
                self.abort()
                return
            sock = self._socket()
            if sock is None:
                backends.counters.refused += 1
                self.abort()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            error = sock.connect_ex(endpoint)
            if error in (0, errno.EINPROGRESS):
                break
            sock.close()
            self._failed(endpoint)
        self.endpoint = endpoint
        backends.counters.picked(endpoint)
        self.backend = Side(sock, self)
        backends.loop.add(self.backend)
        if error == 0:
            self._connected(self.backend)
        else:
            patience = DIAL_TIMEOUTS_S[min(self.attempt, len(DIAL_TIMEOUTS_S) - 1)]
            backends.loop.at(now + patience, functools.partial(self._dial_timed_out, self.backend))

    def on_dialling(self, side: Side, mask: int) -> None:
        """An event while no endpoint is connected: the endpoint's answer, or the client going away."""
        if side is self.client:
            if mask & _BROKEN:
                self.abort()
        elif side is self.backend:
            if mask & _BROKEN:
                self._dial_failed(side)
            elif mask & _OUT:
                self._connected(side)

    def half_closed(self, source: Side, target: Side) -> None:
        """The source has said all it will say, and the target has it: say so, and end when both did."""
        source.eof = True
        source.readable = False
        if self.reset:
            self.abort()
            return
        if target.eof:
            self._close()
            return
        try:
            target.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.broken(target)

    def broken(self, side: Side) -> None:
        """Nothing can be written to this side any more. What it said before is still passed on, then all is reset."""
        peer = side.peer
        if self.reset or peer is None or side.eof:
            self.abort()
            return
        self.reset = side.readable = side.ended = True
        side.pending = b""
        peer.eof = True
        pump(side, peer)

    def abort(self) -> None:
        """Reset both sides."""
        if not self.open:
            return
        for side in (self.client, self.backend):
            if side is not None:
                side.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._close()

    def _read_early(self) -> bool:
        """Read what came with the connection; False when the client is gone.

        The client is not watched yet: what arrives after this read is announced when it is.
        """
        client = self.client
        try:
            count = client.sock.recv_into(_buffer, BUFFER_BYTES, _RECEIVE)
        except BlockingIOError:
            return True
        except OSError:
            self.abort()
            return False
        self.early = bytes(_view[:count])
        client.readable = count in (0, BUFFER_BYTES)
        return True

    def _next_endpoint(self, now: float) -> Endpoint | None:
        """Untried endpoints first; when all were tried and some only timed out, those again with more patience."""
        if self.attempt >= MAX_ATTEMPTS:
            return None
        endpoint = self.backends.balancer.pick(self.client_ip, now, tried=self.tried)
        if endpoint is None and self.attempt:
            self.attempt += 1
            self.tried = frozenset()
            endpoint = self.backends.balancer.pick(self.client_ip, now)
        return endpoint

    def _socket(self) -> socket.SocketType | None:
        for _ in range(2):
            try:
                return socket.SocketType(socket.AF_INET, _STREAM)
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                if not self.backends.gate.lend():
                    return None
        return None

    def _connected(self, backend: Side) -> None:
        client = self.client
        client.peer, backend.peer = backend, client
        if self.early:
            backend.pending, self.early = self.early, b""
            backend.flush()
        if client.readable and not client.eof and client.peer is not None:
            pump(client, backend)
        # The endpoint may have spoken in the event that told of the connection: that edge does not come again.
        if backend.readable and not backend.eof and backend.peer is not None:
            pump(backend, client)

    def _dial_failed(self, backend: Side) -> None:
        self._drop_backend(backend)
        self.dial()

    def _dial_timed_out(self, backend: Side) -> None:
        if self.open and backend is self.backend and backend.peer is None:
            self.attempt += 1
            self._dial_failed(backend)

    def _drop_backend(self, backend: Side) -> None:
        self.backends.loop.close(backend.sock)
        self.backend = None
        if self.endpoint is not None:
            self._failed(self.endpoint)

    def _failed(self, endpoint: Endpoint) -> None:
        self.tried |= {endpoint}
        self.backends.counters.failed_dials += 1
        self.backends.balancer.failed(endpoint, self.backends.loop.now)

    def _close(self) -> None:
        if not self.open:
            return
        self.open = False
        self.backends.counters.active -= 1
        for side in (self.client, self.backend):
            if side is not None:
                side.peer = None
                side.pending = b""
                self.backends.loop.close(side.sock)
                # Without the cycle the memory is free at once, not at the next garbage collection.
                del side.flow
