"""The HTTP server of the apiserver: opens the listeners, and closes them in the order that loses nothing.

Stopping: accept no more, tell idle connections and streams to end, wait for what is in flight, cut the rest.
The plain listener exists only when asked for and only on loopback.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl

from master.apiserver.http.connection import Connection
from master.apiserver.http.hub import Hub
from master.apiserver.http.limits import Limits
from master.apiserver.http.listener import Listener
from master.apiserver.http.message import Handler
from master.apiserver.http.tls import TlsFiles, reload_context, server_context

log = logging.getLogger(__name__)


class Server:
    """One TLS listener and, when `plain_port` is given, one plain listener on loopback; port 0 takes a free one."""

    def __init__(
        self,
        handler: Handler,
        *,
        address: str = "0.0.0.0",
        port: int = 6443,
        tls: TlsFiles | None,
        plain_address: str = "127.0.0.1",
        plain_port: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Raises ValueError naming the field when the settings do not fit together."""
        self._limits = limits if limits is not None else Limits()
        if problems := self._limits.check():
            raise ValueError("; ".join(problems))
        if plain_port is not None and not _is_loopback(plain_address):
            raise ValueError(f"plain_address: {plain_address!r} is not a loopback address")
        if tls is None and plain_port is None:
            raise ValueError("tls: required when there is no plain_port")
        self._handler = handler
        self._address, self._port, self._tls = address, port, tls
        self._plain_address, self._plain_port = plain_address, plain_port
        self._context: ssl.SSLContext | None = None
        self._secure: Listener | None = None
        self._plain: Listener | None = None
        self._hub: Hub | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when a port is taken or a TLS file cannot be used; then nothing stays open."""
        self._hub = Hub(self._handler, self._limits)
        try:
            if self._tls is not None:
                self._context = server_context(self._tls)
                self._secure = self._listen(self._address, self._port, self._context)
            if self._plain_port is not None:
                self._plain = self._listen(self._plain_address, self._plain_port, None)
        except OSError:
            await self.stop(0)
            raise

    @property
    def port(self) -> int:
        """The TLS listener's port."""
        return _port_of(self._secure, "TLS")

    @property
    def plain_port(self) -> int:
        """The plain listener's port."""
        return _port_of(self._plain, "plain")

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return self._hub.connections if self._hub is not None else 0

    def reload_certificates(self) -> None:
        """Read the TLS files again, for new connections. Raises OSError and keeps the old ones when they do not fit."""
        if self._context is None or self._tls is None:
            raise RuntimeError("the server has no TLS listener")
        reload_context(self._context, self._tls)
        log.info("certificates reloaded path=%s", self._tls.certificate)

    async def stop(self, grace_s: float) -> None:
        """Stop as the module says; requests and streams have `grace_s` seconds to end by themselves."""
        if self._hub is not None:
            self._hub.closing.set()  # from here on every answer is the last of its connection
        for listener in (self._secure, self._plain):
            if listener is not None:
                listener.close()
        self._secure = self._plain = None
        if self._hub is not None:
            await self._hub.stop(grace_s)

    def _listen(self, address: str, port: int, context: ssl.SSLContext | None) -> Listener:
        hub = self._hub
        assert hub is not None
        listener = Listener(
            address,
            port,
            factory=lambda: Connection(hub),
            context=context,
            handshake_s=self._limits.handshake_timeout_s,
        )
        log.info("listening address=%s port=%d tls=%s", address, listener.port, context is not None)
        return listener


def _port_of(listener: Listener | None, which: str) -> int:
    if listener is None:
        raise RuntimeError(f"the {which} listener is not open")
    return listener.port


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
