"""UDP: one connected socket per client and service port, with a timer.

Rules kept. The timer is long until the endpoint has answered once (a slow first answer is not lost) and short after
(sockets do not pile up). Flows to an endpoint that is not ready any more end at once, so the client's next datagram
goes to another. Answers leave from the address the client wrote to, else the kernel would not undo the redirect.
Datagrams of any size pass; what a full socket does not take is dropped, as UDP does. Flows are bounded, oldest out.

Where many flows are ready at once each gives one datagram a turn: asking all of them for a second one, which mostly is
not there, costs more than being told of it with the next turn's events.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.gate import EXHAUSTED
from netproxy.services import Endpoint

DATAGRAM_BYTES = 65_535
DATAGRAMS = 64
"""Datagrams handled before others have their turn."""
CROWD = 8
"""So many ready at once are many."""
MAX_FLOWS = 4_096
SWEEPS = 4
"""Looks at the silent flows of a port within the shorter of its two times."""
IP_PKTINFO = 8
"""ip(7); not exported by the socket module of Python 3.11."""

_PKTINFO = struct.Struct("=I4s4s")
_PKTINFO_SPACE = socket.CMSG_SPACE(_PKTINFO.size)
_ANYWHERE = b"\0\0\0\0"
_SOCKET = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC

_buffer = bytearray(DATAGRAM_BYTES)
_buffers = [_buffer]
_view = memoryview(_buffer)
"""One buffer for all: nothing stays in it between two calls. Only one loop may run in a process."""

Client = tuple[str, int, bytes]
"""The client's address and port, and the local address it wrote to (packed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpTimers:
    """Seconds a flow is kept without traffic."""

    unanswered_s: float
    idle_s: float


class UdpListener:
    """Takes the datagrams of one service port's clients."""

    __slots__ = ("backends", "fd", "flows", "sock", "sweeping", "timers")

    def __init__(self, sock: socket.socket, backends: Backends, timers: UdpTimers) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.backends = backends
        self.timers = timers
        self.flows: dict[Client, UdpFlow] = {}
        self.sweeping = False
        """Whether a timer looks after silent flows: one for all of them, and none while there are none."""

    def on_event(self, mask: int) -> None:  # noqa: ARG002 (writability does not matter: full means dropped)
        """Pass on what clients sent."""
        for _ in range(DATAGRAMS):
            try:
                size, ancillary, _flags, address = self.sock.recvmsg_into(_buffers, _PKTINFO_SPACE)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue  # an answer of ours came back as unreachable: that client is gone, others are not
            client = (address[0], address[1], _local_address(ancillary))
            flow = self.flows.get(client) or self._begin(client)
            if flow is not None:
                flow.send(_view[:size])
        self.backends.loop.again(self)

    def on_fault(self) -> None:
        """Stay: the next event tries again."""

    def keep(self, endpoints: tuple[Endpoint, ...]) -> None:
        """End the flows of endpoints that are not ready any more."""
        for flow in [f for f in self.flows.values() if f.endpoint not in endpoints]:
            flow.end()

    def close(self) -> None:
        """Stop listening and end all flows: they cannot answer without this socket."""
        for flow in list(self.flows.values()):
            flow.end()
        self.backends.loop.close_now(self.sock)

    def _begin(self, client: Client) -> UdpFlow | None:
        backends = self.backends
        endpoint = backends.balancer.pick(client[0], backends.loop.now)
        sock = _connected(endpoint, client[0], backends) if endpoint is not None else None
        if endpoint is None or sock is None:
            backends.counters.refused += 1
            return None
        if len(self.flows) >= MAX_FLOWS:
            next(iter(self.flows.values())).end()
        flow = UdpFlow(sock, client, endpoint, self)
        self.flows[client] = flow
        backends.counters.accepted += 1
        backends.counters.active += 1
        backends.counters.picked(endpoint)
        flow.start()
        if not self.sweeping:
            self._sweep_later()
        return flow

    def _sweep_later(self) -> None:
        self.sweeping = True
        step_s = min(self.timers.idle_s, self.timers.unanswered_s) / SWEEPS
        self.backends.loop.at(self.backends.loop.now + step_s, self._sweep)

    def _sweep(self) -> None:
        """End the flows that have been silent for their time."""
        now = self.backends.loop.now
        for flow in [flow for flow in self.flows.values() if flow.deadline <= now]:
            flow.end()
        self.sweeping = False
        if self.flows:
            self._sweep_later()


class UdpFlow:
    """One client's datagrams to one endpoint, and back."""

    __slots__ = ("_from", "_to", "answered", "client", "deadline", "endpoint", "fd", "listener", "open", "sock")

    def __init__(self, sock: socket.socket, client: Client, endpoint: Endpoint, listener: UdpListener) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.client = client
        self._to = client[:2]
        self._from = [(socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, client[2], _ANYWHERE))]
        self.endpoint = endpoint
        self.listener = listener
        self.answered = False
        self.open = True
        self.deadline = 0.0

    def start(self) -> None:
        """Watch for answers."""
        self.listener.backends.loop.add(self, level=True)
        self._touch()

    def send(self, data: memoryview) -> None:
        """Pass a datagram to the endpoint; an endpoint that refused ends the flow, and the next datagram moves on."""
        self._touch()
        self.listener.backends.counters.received.count += len(data)
        try:
            self.sock.send(data)
        except BlockingIOError:
            return
        except OSError:
            self._failed()

    def on_event(self, mask: int) -> None:  # noqa: ARG002 (there is one kind of event)
        """Pass answers to the client; what is left in the socket is told again in the next turn."""
        for _ in range(1 if self.listener.backends.loop.ready > CROWD else DATAGRAMS):
            try:
                size = self.sock.recv_into(_buffer)
            except BlockingIOError:
                return
            except OSError:
                self._failed()
                return
            self.answered = True
            self._touch()
            self._answer(_view[:size])

    def _answer(self, data: memoryview) -> None:
        """Send an endpoint's datagram to the client, from the address it knows."""
        counters = self.listener.backends.counters
        counters.sent.count += len(data)
        try:
            self.listener.sock.sendmsg((data,), self._from, 0, self._to)
        except OSError:
            counters.refused += 1

    def on_fault(self) -> None:
        """Give the flow up."""
        self.end()

    def end(self) -> None:
        """Forget the flow."""
        if self.open:
            self.open = False
            del self.listener.flows[self.client]
            self.listener.backends.counters.active -= 1
            self.listener.backends.loop.close(self.sock)

    def _failed(self) -> None:
        backends = self.listener.backends
        backends.counters.failed_dials += 1
        backends.balancer.failed(self.endpoint, backends.loop.now)
        self.end()

    def _touch(self) -> None:
        timers = self.listener.timers
        self.deadline = self.listener.backends.loop.now + (timers.idle_s if self.answered else timers.unanswered_s)


def _connected(endpoint: Endpoint, client: str, backends: Backends) -> socket.socket | None:
    """A socket that talks to this endpoint only; None when descriptors are out or it cannot be reached."""
    try:
        sock = socket.socket(socket.AF_INET, _SOCKET)
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
        return None
    backends.guise.wear(sock, client, endpoint[0], now=backends.loop.now)
    if sock.connect_ex(endpoint) == 0:
        return sock
    sock.close()
    return None


def _local_address(ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """The packed destination address of a datagram, as ip(7)'s IP_PKTINFO tells it."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            _index, _spec_dst, address = _PKTINFO.unpack_from(data)
            return bytes(address)
    return _ANYWHERE
