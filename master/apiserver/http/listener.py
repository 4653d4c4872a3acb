"""Takes connections from one listening socket and gives each to a `Link`."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from master.apiserver.http.link import Link

log = logging.getLogger(__name__)

_BACKLOG = 1024
_AT_ONCE = 64
"""Connections taken in one turn of the loop: a flood of them must not keep the others waiting."""
# There is nothing to do but wait for some to close.
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_REST_S = 1.0


class Listener:
    """Open from the moment it is made. Raises OSError when the port is taken."""

    def __init__(
        self,
        address: str,
        port: int,
        *,
        factory: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        handshake_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        # Text would load the rules of names beyond ASCII, half a megabyte, also for an address.
        host = address.encode() if address.isascii() else address
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self._sock = socket.create_server(place[:2], family=family, backlog=_BACKLOG)
        self._sock.setblocking(False)
        self._factory = factory
        self._context = context
        self._handshake_s = handshake_s
        self._rest: asyncio.TimerHandle | None = None
        self._listen()

    @property
    def port(self) -> int:
        port: int = self._sock.getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more. May be called again."""
        if self._rest is not None:
            self._rest.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                log.error("cannot accept connections error=%s", error)
                self._loop.remove_reader(self._sock.fileno())
                self._rest = self._loop.call_later(_REST_S, self._listen)
                return
            # In the next turn: the places of those who left in this one are free by then.
            self._loop.call_soon(self._take, sock)

    def _take(self, sock: socket.socket) -> None:
        try:
            Link(sock, self._factory, context=self._context, handshake_s=self._handshake_s)
        except OSError as error:
            log.debug("client gone before it was served error=%s", error)
            sock.close()
