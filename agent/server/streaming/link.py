"""One connection to a port of a pod: first to 127.0.0.1, then, when that is refused, to ::1."""

import errno
import os
import socket

from agent.server.streaming.netns import NetworkNamespace
from agent.server.streaming.wire import Wire

_LOCAL = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class CannotConnect(Exception):
    """Nobody listens there; the message says what was tried."""


class Link:
    """Begins to connect when it is made; what is sent meanwhile waits in its wire. Raises CannotConnect."""

    def __init__(self, namespace: NetworkNamespace, port: int) -> None:
        self._namespace = namespace
        self._port = port
        self._left = list(_LOCAL)
        self._host = ""
        self._refusals: list[str] = []
        self.wire = Wire(self._next(), connecting=True)

    def look(self) -> None:
        """While connecting, and only when the wire is said to be ready: what became of it. Raises CannotConnect."""
        number = self.wire.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number == 0:
            self.wire.connected()
        else:
            self._refused(number)
            self.wire.replace(self._next())

    def _next(self) -> socket.socket:
        """A socket that is on its way to the next address. Raises CannotConnect when there is none left."""
        while self._left:
            family, self._host = self._left.pop(0)
            try:
                connection = self._namespace.socket(family)
            except OSError as error:
                self._refused(error.errno or errno.EIO)
                continue
            connection.setblocking(False)
            number = connection.connect_ex((self._host, self._port))
            if number in (0, errno.EINPROGRESS):
                return connection
            connection.close()
            self._refused(number)
        raise CannotConnect(
            f"failed to connect to localhost:{self._port} inside the pod's network: {', '.join(self._refusals)}"
        )

    def _refused(self, number: int) -> None:
        self._refusals.append(f"{self._host}: {os.strerror(number).lower()}")
