"""The data plane as the control side sees it: a thread that serves the wanted service ports.

`apply` opens sockets on the caller's thread (a clash is known there) and hands them to the loop by command. A service
port that goes away stops listening; its TCP connections, and those to endpoints that are not ready any more, go on
until they end by themselves. A node port that somebody else holds is reported and tried again by the next `apply`.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.counters import Counters
from netproxy.dataplane.gate import Gate
from netproxy.dataplane.listeners import TcpListener
from netproxy.dataplane.loop import Loop
from netproxy.dataplane.pipes import Pipes
from netproxy.dataplane.sockets import RefusePort, open_port, open_preferred
from netproxy.dataplane.udp import UdpListener, UdpTimers
from netproxy.services import PortName, Protocol, ServicePort, Wanted

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_S = 10.0

Listener = TcpListener | UdpListener


class DataPlaneError(Exception):
    """The data plane's thread is gone or does not answer."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A node port that could not be held."""

    name: PortName
    node_port: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What serves now: the proxy port of each service port, the node ports that are held, those that are not."""

    proxy_ports: Mapping[PortName, int]
    held_node_ports: Mapping[PortName, int]
    clashes: tuple[Clash, ...]


@dataclass(slots=True, kw_only=True)
class _Served:
    """One service port with its sockets; owned by the thread that calls `apply`."""

    protocol: Protocol
    backends: Backends
    proxy: Listener
    proxy_port: int
    node: Listener | None = None
    node_port: int = 0
    wanted: ServicePort | None = None

    def listeners(self) -> list[Listener]:
        return [self.proxy, self.node] if self.node is not None else [self.proxy]


@dataclass(slots=True)
class DataPlane:
    """Owns the loop and its thread. `apply` and `stop` are for one control thread."""

    timers: UdpTimers
    preferred_ports: dict[PortName, int] = field(default_factory=dict)
    preferred_refuse_port: int = 0
    _loop: Loop = field(init=False, default_factory=Loop)
    _gate: Gate = field(init=False)
    _pipes: Pipes = field(init=False, default_factory=Pipes)
    _refuse: RefusePort = field(init=False)
    _served: dict[PortName, _Served] = field(init=False, default_factory=dict)
    _thread: threading.Thread = field(init=False)
    _stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._gate = Gate(self._loop)
        self._refuse = RefusePort(self.preferred_refuse_port)
        self._thread = threading.Thread(target=self._run, name="netproxy-dataplane", daemon=True)

    @property
    def refuse_port(self) -> int:
        """The port where the kernel refuses everything."""
        return self._refuse.port

    @property
    def alive(self) -> bool:
        """Whether the loop's thread runs."""
        return self._thread.is_alive()

    @property
    def faults(self) -> int:
        """Unexpected errors contained by the loop."""
        return self._loop.faults

    @property
    def accept_pauses(self) -> int:
        """How often accepting paused since descriptors ran out."""
        return self._gate.pauses

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close all sockets and end the thread; connections are cut. Once stopped, it stays so."""
        if self._stopped:
            return
        self._stopped = True
        if self.alive:
            self._loop.stop()
            self._thread.join(COMMAND_TIMEOUT_S)
        self._served.clear()
        self._gate.close()
        self._pipes.release_idle()
        self._loop.release()
        self._refuse.close()

    def counters(self) -> dict[PortName, Counters]:
        """The live counters of each service port, to be read only."""
        return {name: served.backends.counters for name, served in list(self._served.items())}

    def apply(self, wanted: Wanted) -> Applied:
        """Serve exactly these. Raises DataPlaneError, and OSError when a proxy port cannot be opened."""
        self._retire(wanted)
        changes: list[Callable[[], None]] = []
        clashes: list[Clash] = []
        try:
            for name, port in wanted.items():
                served = self._served.get(name)
                if served is None:
                    served = self._served[name] = self._open(port, changes)
                clashes += self._hold_node_port(served, port, changes)
                if served.wanted != port:
                    served.wanted = port
                    changes.append(_update(served, port))
        finally:
            self._call(changes)
        return Applied(
            proxy_ports={name: s.proxy_port for name, s in self._served.items()},
            held_node_ports={name: s.node_port for name, s in self._served.items() if s.node_port},
            clashes=tuple(clashes),
        )

    def _retire(self, wanted: Wanted) -> None:
        """Close what is not wanted before anything is opened: a node port may move to another service."""
        closing: list[Callable[[], None]] = []
        for name, served in list(self._served.items()):
            port = wanted.get(name)
            if port is None or port.protocol is not served.protocol:
                closing += [listener.close for listener in served.listeners()]
                del self._served[name]
            elif served.node is not None and served.node_port != port.node_port:
                closing.append(served.node.close)
                served.node, served.node_port = None, 0
        self._call(closing)

    def _open(self, port: ServicePort, changes: list[Callable[[], None]]) -> _Served:
        sock = open_preferred(port.protocol, self.preferred_ports.get(port.name, 0))
        backends = Backends(loop=self._loop, gate=self._gate, pipes=self._pipes)
        listener = self._listener(port.protocol, sock, backends)
        # The endpoints first: a client may wait already.
        served = _Served(
            protocol=port.protocol, backends=backends, proxy=listener, proxy_port=sock.getsockname()[1], wanted=port
        )
        changes += [_update(served, port), lambda: self._loop.add(listener)]
        return served

    def _hold_node_port(
        self, served: _Served, port: ServicePort, changes: list[Callable[[], None]]
    ) -> tuple[Clash, ...]:
        """Bind the node port when it is wanted and not held."""
        if not port.node_port or served.node_port == port.node_port:
            return ()
        try:
            sock = open_port(port.protocol, port.node_port)
        except OSError as error:
            return (Clash(port.name, port.node_port, error.strerror or str(error)),)
        listener = self._listener(port.protocol, sock, served.backends)
        served.node, served.node_port = listener, port.node_port
        changes.append(lambda: self._loop.add(listener))
        return ()

    def _listener(self, protocol: Protocol, sock: socket.socket, backends: Backends) -> Listener:
        if protocol is Protocol.TCP:
            return TcpListener(sock, backends)
        return UdpListener(sock, backends, self.timers)

    def _call(self, changes: list[Callable[[], None]]) -> None:
        """Have the loop make these changes, and wait until it has."""
        if not changes:
            return
        done = threading.Event()

        def command() -> None:
            try:
                for change in changes:
                    change()
            finally:
                done.set()

        if not self.alive:
            raise DataPlaneError("the data plane's thread is not running")
        self._loop.submit(command)
        if not done.wait(COMMAND_TIMEOUT_S):
            raise DataPlaneError(f"the data plane did not answer within {COMMAND_TIMEOUT_S} s")

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception:
            log.exception("data plane ended unexpectedly")


def _update(served: _Served, port: ServicePort) -> Callable[[], None]:
    """The loop's part of a change: new endpoints, another affinity."""
    listeners = [listener for listener in served.listeners() if isinstance(listener, UdpListener)]
    backends = served.backends

    def update() -> None:
        backends.balancer.update(port.endpoints, port.affinity_s)
        backends.counters.keep(port.endpoints)
        for listener in listeners:
            listener.keep(port.endpoints)

    return update
