"""One connection to one member of etcd: HTTP/1.1 requests one after the other, or one endless answer.

Pure asyncio around llhttp (httptools). It knows no etcd and repeats nothing: whatever ends a connection ends
the request on it with ConnectionLost, and the connection is not used again.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httptools


class ConnectionLost(OSError):
    """The connection ended before the answer did."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a member listens for clients."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """From `http://host:port` or `https://...`. Raises ValueError naming the field."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"endpoints: {url!r} is not of the form https://host:port")
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f"endpoints: {url!r} has no usable port") from None
        return cls(parts.hostname, 2379 if port is None else port, parts.scheme == "https")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def tls_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """A context that checks the member's certificate and, with the files, shows ours. Raises OSError, SSLError."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context


# A peer that is gone without a word (power cut, a forgetful NAT) is noticed after about ten seconds.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))


class Connection(asyncio.Protocol):
    """One request at a time; `usable` is true between them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._on_data: Callable[[bytes], None] | None = None
        self._parser: Any = None
        self._body: list[bytes] = []
        self._keep = False

    @classmethod
    async def open(cls, endpoint: Endpoint, context: ssl.SSLContext | None) -> "Connection":
        """Raises OSError (ssl.SSLError is one)."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(endpoint), endpoint.host, endpoint.port, ssl=context)
        return connection

    @property
    def usable(self) -> bool:
        return self._transport is not None and self._answer is None and not self._transport.is_closing()

    async def request(
        self, path: str, body: bytes, *, headers: str = "", on_data: Callable[[bytes], None] | None = None
    ) -> tuple[int, bytes]:
        """POST JSON; returns status and body, or hands a 200's body to `on_data` as it comes.

        Raises ConnectionLost. Being cancelled ends the connection, since its answer may still come.
        """
        if not self.usable or self._transport is None:
            raise ConnectionLost(f"{self.endpoint} closed the connection")
        self._parser, self._body, self._on_data = httptools.HttpResponseParser(self), [], on_data
        self._answer = self._loop.create_future()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.endpoint.host}:{self.endpoint.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._transport.write(head.encode() + body)
        try:
            answer = await self._answer
        except BaseException:
            self.close()
            raise
        self._answer = None
        if not self._keep:
            self.close()
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked for anything
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # What our own `on_data` raised comes as the cause of the parser's error.
            self._fail(error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error)
        self._transport = None

    def _fail(self, error: BaseException | None) -> None:
        if self._answer is not None and not self._answer.done():
            lost = ConnectionLost(f"{self.endpoint}: {error or 'closed the connection'}")
            lost.__cause__ = error
            self._answer.set_exception(lost)
        self.close()

    # Called by httptools.

    def on_body(self, data: bytes) -> None:
        if self._on_data is not None and self._parser.get_status_code() == 200:
            self._on_data(data)
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        self._keep = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), b"".join(self._body)))
