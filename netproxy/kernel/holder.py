"""Holds node ports while the kernel serves them: a listening socket, so that no other program takes the number."""

from __future__ import annotations

import socket

from netproxy.dataplane.plane import Clash
from netproxy.handover import Handover
from netproxy.services import PortName, Protocol, Wanted

_Held = tuple[Protocol, int]


class Holder:
    """The node ports that are held. Clients never reach these sockets: their packets are led elsewhere before."""

    def __init__(self, handover: Handover) -> None:
        self._handover = handover
        self._sockets: dict[_Held, socket.socket] = {}

    def hold(self, wanted: Wanted) -> tuple[dict[PortName, int], tuple[Clash, ...]]:
        """Hold exactly these; returns the ports that are held and those that another program has."""
        asked = {(port.protocol, port.node_port) for port in wanted.values() if port.node_port}
        for key in self._sockets.keys() - asked:
            self._sockets.pop(key).close()
            self._handover.forget(*key)
        held, clashes = {}, []
        for name, port in wanted.items():
            key = (port.protocol, port.node_port)
            if not port.node_port:
                continue
            try:
                if key not in self._sockets:
                    self._sockets[key] = self._handover.open(*key, exactly=True)
                held[name] = port.node_port
            except OSError as error:
                clashes.append(Clash(name, port.node_port, error.strerror or str(error)))
        return held, tuple(clashes)

    def close(self) -> None:
        """Let all go."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
