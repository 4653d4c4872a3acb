"""The data plane as the control side sees it: a thread that serves the wanted service ports.

All TCP services share one proxy port for their cluster addresses; a service port that is reached by more (node port,
other addresses) or that speaks UDP has one of its own. `apply` opens sockets on the caller's thread (a clash is known
there) and hands them to the loop by command. A service port that goes away stops listening; its TCP connections, and
those to endpoints that are not ready any more, go on until they end by themselves. A node port that somebody else
holds is reported and tried again by the next `apply`.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.counters import Counters
from netproxy.dataplane.gate import Gate
from netproxy.dataplane.guise import Guise
from netproxy.dataplane.listeners import ClusterListener
from netproxy.dataplane.loop import Loop
from netproxy.dataplane.pipes import Pipes
from netproxy.dataplane.served import (
    Listener,
    Served,
    cluster_key,
    in_cluster_table,
    listener_of,
    needs_own_port,
)
from netproxy.dataplane.sockets import RefusePort
from netproxy.dataplane.udp import UdpTimers
from netproxy.dataplane.waits import Waits
from netproxy.handover import Handover
from netproxy.services import PortName, Protocol, ServicePort, Wanted

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_S = 10.0
NICE = -5
"""Else whoever is woken by a message takes the processor before the next one is passed on, and each finds one only."""


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
    """What serves now: the proxy port of each service port, the node ports that are held, those that are not.

    The mappings are live views: the next `apply` changes them.
    """

    proxy_ports: Mapping[PortName, int]
    held_node_ports: Mapping[PortName, int]
    clashes: tuple[Clash, ...]


@dataclass(slots=True)
class DataPlane:
    """Owns the loop and its thread. `apply` and `stop` are for one control thread."""

    timers: UdpTimers
    preferred_ports: dict[PortName, int] = field(default_factory=dict)
    preferred_refuse_port: int = 0
    preferred_cluster_port: int = 0
    handover: Handover = field(default_factory=Handover)
    """Where ports come from that an earlier start had open."""
    _loop: Loop = field(init=False, default_factory=Loop)
    _gate: Gate = field(init=False)
    _pipes: Pipes = field(init=False)
    _guise: Guise = field(init=False, default_factory=Guise)
    _waits: Waits = field(init=False)
    _shown: tuple[str, ...] = field(init=False, default=())
    _refuse: RefusePort = field(init=False)
    _cluster: ClusterListener = field(init=False)
    cluster_port: int = field(init=False)
    """The port that serves the cluster addresses of TCP services which have no other address."""
    _served: dict[PortName, Served] = field(init=False, default_factory=dict)
    _proxy_ports: dict[PortName, int] = field(init=False, default_factory=dict)
    _node_ports: dict[PortName, int] = field(init=False, default_factory=dict)
    _clashes: dict[PortName, Clash] = field(init=False, default_factory=dict)
    _near: set[PortName] = field(init=False, default_factory=set)
    """Those that near clients of another's addresses are led to: the shared port would not find them there."""
    _thread: threading.Thread = field(init=False)
    _stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._gate = Gate(self._loop)
        self._pipes = Pipes(self._loop)
        self._waits = Waits(self._loop)
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
        """Open what all services share and start the thread. Raises OSError.

        Not before: node ports are reserved by now, so that the kernel chooses none of them.
        """
        self._refuse = RefusePort(self.preferred_refuse_port)
        sock = self.handover.open(Protocol.TCP, self.preferred_cluster_port, exactly=False)
        self._cluster = ClusterListener(sock, self._backends())
        self._loop.add(self._cluster)
        self.cluster_port = sock.getsockname()[1]
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
        if self._thread.ident is not None:
            self._cluster.sock.close()
            self._refuse.close()
        self._gate.close()
        self._pipes.release()
        self._loop.release()

    def counters(self) -> dict[PortName, Counters]:
        """The live counters of each service port, to be read only."""
        return {name: served.backends.counters for name, served in list(self._served.items())}

    def apply(self, wanted: Wanted, touched: Iterable[PortName] | None = None) -> Applied:
        """Serve exactly these. Raises DataPlaneError, and OSError when a proxy port cannot be opened.

        `touched`: the names that may differ from the last call that went well; None: look at all.
        """
        names = {*self._served, *wanted} if touched is None else {*touched, *self._clashes}
        near = {port.near for name in names if (port := wanted.get(name)) is not None and port.near is not None}
        self._near |= near
        names |= near
        self._retire(names, wanted)
        changes: list[Callable[[], None]] = []
        try:
            for name in names:
                if (port := wanted.get(name)) is not None:
                    self._serve(port, changes)
        finally:
            self._call(changes)
        return Applied(
            proxy_ports=MappingProxyType(self._proxy_ports),
            held_node_ports=MappingProxyType(self._node_ports),
            clashes=tuple(self._clashes.values()),
        )

    def show(self, pod_cidrs: tuple[str, ...]) -> None:
        """Pods of these ranges see their clients' addresses from now on; the way back must be laid."""
        if pod_cidrs != self._shown:
            networks = tuple(map(ipaddress.IPv4Network, pod_cidrs))
            self._call([lambda: self._guise.show(networks)])
            self._shown = pod_cidrs

    def _backends(self) -> Backends:
        return Backends(loop=self._loop, gate=self._gate, pipes=self._pipes, guise=self._guise, waits=self._waits)

    def _retire(self, names: Iterable[PortName], wanted: Wanted) -> None:
        """Close what is not wanted before anything is opened: a node port may move to another service."""
        closing: list[Callable[[], None]] = []
        given_up: list[tuple[Protocol, int]] = []
        for name in names:
            port, served = wanted.get(name), self._served.get(name)
            self._clashes.pop(name, None)
            if served is None or served.wanted is port:
                continue
            if port is None or port.protocol is not served.protocol:
                closing += [listener.close for listener in served.listeners()]
                given_up += [(served.protocol, number) for number in served.ports()]
                closing += self._leave_cluster(served, None)
                self._forget(name)
            elif served.node is not None and served.node_port != port.node_port:
                closing.append(served.node.close)
                given_up.append((served.protocol, served.node_port))
                served.node, served.node_port = None, 0
                del self._node_ports[name]
        self._call(closing)
        for protocol, number in given_up:
            self.handover.forget(protocol, number)

    def _forget(self, name: PortName) -> None:
        del self._served[name]
        self._proxy_ports.pop(name, None)
        self._node_ports.pop(name, None)
        self._near.discard(name)

    def _serve(self, port: ServicePort, changes: list[Callable[[], None]]) -> None:
        """Open what this port lacks, and tell the loop of it and of the endpoints."""
        served = self._served.get(port.name)
        if served is None:
            backends = self._backends()
            served = Served(protocol=port.protocol, backends=backends, proxy_port=self.cluster_port)
            self._served[port.name] = served
        if served.wanted is not port and served.wanted != port:
            # The endpoints first: a client may wait already.
            changes.append(served.update(port))
            changes += self._leave_cluster(served, port)
            if in_cluster_table(port):
                changes.append(self._cluster.put(cluster_key(port), served.backends))
        if served.proxy is None and (needs_own_port(port) or port.name in self._near):
            sock = self.handover.open(port.protocol, self.preferred_ports.get(port.name, 0), exactly=False)
            served.proxy, served.proxy_port = self._listen(served, sock, changes), sock.getsockname()[1]
        self._hold_node_port(served, port, changes)
        self._proxy_ports[port.name] = served.proxy_port
        served.wanted = port

    def _leave_cluster(self, served: Served, port: ServicePort | None) -> list[Callable[[], None]]:
        """Give the cluster address up, when there is one and the next is another."""
        last = served.wanted
        if last is None or not in_cluster_table(last):
            return []
        key = cluster_key(last)
        if port is not None and in_cluster_table(port) and cluster_key(port) == key:
            return []
        return [self._cluster.drop(key, served.backends)]

    def _hold_node_port(self, served: Served, port: ServicePort, changes: list[Callable[[], None]]) -> None:
        """Bind the node port when it is wanted and not held."""
        if not port.node_port or served.node_port == port.node_port:
            return
        try:
            sock = self.handover.open(port.protocol, port.node_port, exactly=True)
        except OSError as error:
            self._clashes[port.name] = Clash(port.name, port.node_port, error.strerror or str(error))
            return
        served.node, served.node_port = self._listen(served, sock, changes), port.node_port
        self._node_ports[port.name] = port.node_port

    def _listen(self, served: Served, sock: socket.socket, changes: list[Callable[[], None]]) -> Listener:
        listener = listener_of(served.protocol, sock, served.backends, self.timers)
        changes.append(lambda: self._loop.add(listener))
        return listener

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
        _go_first()
        try:
            self._loop.run()
        except Exception:
            log.exception("data plane ended unexpectedly")


def _go_first() -> None:
    """Put this thread, which others wait for, a little before them, where that is allowed (CAP_SYS_NICE)."""
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, min(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
    except PermissionError as error:
        log.info("the data plane has no priority error=%s", error.strerror)
