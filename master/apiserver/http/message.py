"""What passes between the HTTP edge and the code that handles requests.

A handler takes a `Request` and returns a `Response`, a `Stream`, an `Upgrade`, or an awaitable of one. A handler
that can answer at once returns a `Response` directly and costs no task.

The rule: nothing above this file sees a parser or a chunk header. A client that leaves never cancels an awaited
handler (a commit must not be left half awaited); it sets `Request.disconnected`. The producer of a `Stream` is
cancelled, or gets `ClientGoneError` when it is in a write. The session of an `Upgrade` reads the end of its reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import parse_qs, unquote

import msgspec

Headers = Sequence[tuple[str, str]]


class Peer(msgspec.Struct, frozen=True):
    """Who a verified client certificate says the other side is, and when it ends (time.perf_counter()'s seconds)."""

    common_name: str
    organizations: tuple[str, ...] = ()
    ends: float | None = None


class ClientGoneError(ConnectionError):
    """The client closed the connection while something was being written to it."""


class Request(msgspec.Struct):
    """One whole request; `path` is percent-decoded, `raw_path` and `raw_query` are as the client sent them.

    `headers` have lower-case names, a repeated one is joined with ", ". Raises ValueError when the decoded path is not
    UTF-8.
    """

    method: str
    raw_path: str
    raw_query: str = ""
    headers: dict[str, str] = {}
    repeated_headers: dict[str, list[str]] = {}
    body: bytes = b""
    peer_certificate: Peer | None = None
    peer_address: str = ""
    disconnected: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    path: str = ""
    _segments: tuple[str, ...] | None = None
    _query: dict[str, list[str]] | None = None

    def __post_init__(self) -> None:
        self.path = unquote(self.raw_path, errors="strict") if "%" in self.raw_path else self.raw_path

    @property
    def segments(self) -> tuple[str, ...]:
        """The non-empty parts: `/api/v1/namespaces/a%2Fb` gives ("api", "v1", "namespaces", "a/b")."""
        if self._segments is None:
            self._segments = segments_of(self.raw_path)
        return self._segments

    @property
    def query(self) -> dict[str, list[str]]:
        """Every value of every parameter, in the order given; `?watch` counts as an empty value."""
        if self._query is None:
            self._query = parse_qs(self.raw_query, keep_blank_values=True) if self.raw_query else {}
        return self._query

    def header_values(self, name: str) -> list[str]:
        """All values of a header that may stand several times (Impersonate-Group); `name` in lower case."""
        if name in self.repeated_headers:
            return self.repeated_headers[name]
        return [self.headers[name]] if name in self.headers else []

    @property
    def bearer_token(self) -> str | None:
        """The token of `Authorization: Bearer ...`, None when there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


def segments_of(raw_path: str) -> tuple[str, ...]:
    """The non-empty parts of a path, each percent-decoded."""
    parts = filter(None, raw_path.split("/"))
    return tuple(map(unquote, parts)) if "%" in raw_path else tuple(parts)


class Response(msgspec.Struct, frozen=True):
    """A whole answer. The edge adds Content-Length, Date, Connection, and gzip where asked for and worth it.

    `headers` may not hold what the edge decides (Content-Length, Transfer-Encoding, Connection, Date), nor line ends.
    `again`, where there is one, answers the same bytes from the same client (by its certificate) when they come once
    more; None from it means that the request is to be handled as any other.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Headers = ()
    again: Again | None = None


Again = Callable[[], Response | None]


class Sink(Protocol):
    """Where a stream's producer writes its body."""

    @property
    def closing(self) -> asyncio.Event:
        """Set when the server is stopping: the producer should write what it must and return."""

    async def write(self, chunk: bytes) -> None:
        """Send one chunk; waits while the client reads too slowly. Raises ClientGoneError when it has left."""


class Stream(msgspec.Struct, frozen=True):
    """An answer that is made piece by piece. When `producer` returns, the body ends cleanly; when it raises, it is cut
    off.

    The producer may never run (HEAD, a client that left): it opens for itself what has to be closed again. `size` is
    the bytes that it will write, exactly; None when it cannot know.
    """

    status: int
    producer: Callable[[Sink], Awaitable[None]]
    content_type: str = "application/json"
    headers: Headers = ()
    size: int | None = None


class Tunnel(msgspec.Struct, frozen=True):
    """The raw bytes of a connection after its upgrade; `closing` is set when the server is stopping."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closing: asyncio.Event


class Upgrade(msgspec.Struct, frozen=True):
    """Answer 101 and hand the connection to `session`; when it ends the connection is closed.

    Only for a request that asked with `Connection: upgrade`. `protocol` goes into the answer's Upgrade header
    (SPDY/3.1, websocket).
    """

    protocol: str
    session: Callable[[Tunnel], Awaitable[None]]
    headers: Headers = ()


Answer = Response | Stream | Upgrade
Handler = Callable[[Request], Answer | Awaitable[Answer]]
