"""TCP: accept, pick, connect without blocking, copy both ways.

Rules kept. An endpoint that refuses, is unreachable or does not answer in time is left for the next one before the
client notices; what the client said meanwhile is kept. The end of one direction is passed on as such (half-close), the
other goes on. A reset is passed on as a reset, after what came before it. How bytes move: `sides`.

Few system calls a connection are the point: an endpoint is asked when the client has spoken, and what it said is
written straight after connect(), which on one host has mostly connected by then. A client that says nothing for a
millisecond is led on too, and the next ones of its service at once: there it is the endpoint that speaks first. Where
nothing else is to be done meanwhile nobody is waited for: the endpoint is asked while the client begins to speak.
"""

from __future__ import annotations

import errno
import select
import socket
import struct

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.client_address import header
from netproxy.dataplane.gate import EXHAUSTED
from netproxy.dataplane.sides import BUFFER_BYTES, RECEIVE, SEND, Side, buffer, pump, view
from netproxy.services import Endpoint

UNASKED = 64
"""So many clients are not waited for after one that was waited for in vain."""
MAX_ATTEMPTS = 8
"""Time-outs and new rounds before the client is refused."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_BROKEN = select.EPOLLHUP | select.EPOLLERR
_OUT = select.EPOLLOUT
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


class Flow:
    """One client connection and its way to an endpoint."""

    __slots__ = (
        "attempt",
        "backend",
        "backends",
        "client",
        "client_ip",
        "early",
        "endpoint",
        "open",
        "reset",
        "tried",
        "unused",
    )

    def __init__(self, sock: socket.SocketType, client_ip: str, backends: Backends) -> None:
        self.backends = backends
        self.client = Side(sock, self, backends.counters.received)
        self.client_ip = client_ip
        self.backend: Side | None = None
        self.endpoint: Endpoint | None = None
        self.early = b""
        self.unused: socket.SocketType | None = None
        """For the way to an endpoint: opened with the client, so that all who are let in have one."""
        self.tried: frozenset[Endpoint] = frozenset()
        self.attempt = 0
        self.open = True
        self.reset = False

    def start(self) -> None:
        """Watch the client, and go to an endpoint when it speaks, or soon."""
        backends = self.backends
        backends.counters.accepted += 1
        backends.counters.active += 1
        backends.loop.add(self.client)
        self.unused = self._socket()
        if self.unused is None:
            self._refuse()
        elif backends.unasked:
            backends.unasked -= 1
            self.begin()
        elif backends.loop.ready == 1:
            self.begin()
        else:
            backends.waits.first_words.join(self, None)

    def begin(self) -> None:
        """Go to an endpoint with what the client has said by now."""
        if self._read_early() and self._introduce():
            self.dial()

    def dial(self) -> None:
        """Ask endpoints in turn until one connects, may connect, or none is left."""
        backends, now = self.backends, self.backends.loop.now
        while True:
            endpoint = self._next_endpoint(now)
            sock = (self.unused or self._socket()) if endpoint is not None else None
            if endpoint is None or sock is None:
                self._refuse()
                return
            self.unused = None
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self.attempt:  # one that was not answered so may be as the node
                backends.guise.wear(sock, self.client_ip, endpoint[0], now=now)
            if self.early:
                # What is sent next acknowledges the endpoint's answer: one packet less.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            error = sock.connect_ex(endpoint)
            if error in (0, errno.EINPROGRESS):
                sent = self._send_early(sock)
                if sent is not None:
                    break
            sock.close()
            self._failed(endpoint)
        self.endpoint = endpoint
        backends.counters.picked(endpoint)
        backend = self.backend = Side(sock, self, backends.counters.sent)
        if sent or error == 0:
            self.early = self.early[sent:]
            self._connected(backend)
            if self.open:
                backends.loop.add(backend, writes=backend.write_watched)
            return
        backend.write_watched = True
        backends.loop.add(backend, writes=True)
        backends.waits.dial(self.attempt).join(self, backend)

    def on_dialling(self, side: Side, mask: int) -> None:
        """An event while no endpoint is connected: the endpoint's answer, the client's words, or it going away."""
        if side is self.client:
            if mask & _BROKEN:
                self.abort()
            elif self.backend is None:
                self.begin()
        elif side is self.backend:
            if mask & _BROKEN:
                self._dial_failed(side)
            elif mask & _OUT:
                self._connected(side)

    def waits_for(self, what: object) -> bool:
        """Whether it waits for this endpoint to answer; None: for the client's first words."""
        return self.open and self.backend is what and self.client.peer is None

    def in_vain(self, what: object) -> None:
        """The client has not spoken, or the endpoint has not answered."""
        if what is None:
            self.backends.unasked = UNASKED
            self.begin()
        elif self.backend is not None:
            self.attempt += 1
            self._dial_failed(self.backend)

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
        side.last_words = False  # what is held back to go with an end would go with the reset
        side.pending, side.blocked = b"", False
        peer.eof = True
        peer.give_pipe_back()
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
        """Read what came with the connection; False when the client is gone."""
        client = self.client
        try:
            count = client.sock.recv_into(buffer, BUFFER_BYTES, RECEIVE)
        except BlockingIOError:
            client.readable = False
            return True
        except OSError:
            self.abort()
            return False
        self.early = bytes(view[:count])
        client.tally.count += count
        client.readable = client.ended or count in (0, BUFFER_BYTES)
        return True

    def _introduce(self) -> bool:
        """Put the client's address before what it says, for endpoints that ask for it; False when it is gone."""
        if self.backends.proxy_protocol:
            try:
                self.early = header(self.client.sock) + self.early
            except OSError:
                self.abort()
                return False
        return True

    def _send_early(self, sock: socket.SocketType) -> int | None:
        """Write the early data to a socket that may be connected by now: bytes taken, None when it was refused."""
        if not self.early:
            return 0
        try:
            return sock.send(self.early, SEND)
        except BlockingIOError:
            return 0
        except OSError:
            return None

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

    def _refuse(self) -> None:
        self.backends.counters.refused += 1
        self.abort()

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
        if self.unused is not None:
            self.unused.close()
            self.unused = None
        for side in (self.client, self.backend):
            if side is not None:
                side.peer = None
                side.pending = b""
                side.give_pipe_back()
                self.backends.loop.close(side.sock)
                # Without the cycle the memory is free at once, not at the next garbage collection.
                del side.flow
