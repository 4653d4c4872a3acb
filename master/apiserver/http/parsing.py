"""Bytes to requests: our rules around the strict parser of llhttp (httptools).

llhttp in its strict mode refuses what request smuggling lives on: Content-Length twice or beside
Transfer-Encoding, folded headers, bare line ends, a space before the colon, bad chunk sizes. What it lets
through and we do not: a coding other than chunked, chunks in HTTP/1.0, versions other than 1.0 and 1.1,
repeated Host or Authorization, and anything larger than the limits. Trailers are counted and thrown away: a
trailer must never pass for a header (RFC 9110, 6.5.1).
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable
from functools import lru_cache

import httptools
import msgspec

from master.apiserver.http.limits import Limits
from master.apiserver.http.message import Peer, Request
from master.apiserver.http.refusal import RefusedError

_ONCE = frozenset({"host", "authorization", "content-type", "transfer-encoding"})


class Phase(enum.Enum):
    """Where in a request the connection stands."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


IDLE, HEAD, BODY = Phase


class Origin(msgspec.Struct, frozen=True):
    """What is the same for all requests of one connection."""

    peer: Peer | None
    address: str
    disconnected: asyncio.Event


class Exchange(msgspec.Struct, frozen=True):
    """A request with what the edge must know to answer it."""

    request: Request
    keep_alive: bool
    http_1_0: bool
    upgrade: bool


class Uploads:
    """The bytes of all bodies that are being received: one count for all connections."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Raises RefusedError when they are too many."""
        if self._held + size > self._most:
            raise RefusedError(429, "too many large requests are being received, please try again later")
        self._held += size

    def give_back(self, size: int) -> None:
        self._held -= size


class RequestParser:
    """Feeds llhttp and calls `on_exchange` for each whole request, `on_expect` where a client waits for its 100."""

    def __init__(
        self,
        limits: Limits,
        origin: Origin,
        *,
        uploads: Uploads,
        on_exchange: Callable[[Exchange], None],
        on_expect: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._origin = origin
        self._uploads = uploads
        self._taken = 0
        self._on_exchange = on_exchange
        self._on_expect = on_expect
        self._parser = httptools.HttpRequestParser(self)
        self.since = time.monotonic()
        self._progress = False
        self._version = self._method = ""
        self._reset()

    def _reset(self) -> None:
        """Ready for the next request."""
        self.phase = IDLE
        self._url = b""
        self._headers: dict[str, str] = {}
        self._repeated: dict[str, list[str]] = {}
        self._head_bytes = self._head_count = 0
        self._body = b""
        self._body_rest: bytearray | None = None
        if self._taken:
            self.let_go()

    def let_go(self) -> None:
        """Of a body that is whole now, or never will be."""
        if self._taken:
            self._uploads.give_back(self._taken)
            self._taken = 0

    def feed(self, data: bytes) -> bytes | None:
        """Parse; returns what follows a request that asked for an upgrade, else None. Raises RefusedError.

        After a refusal or an upgrade this parser is spent.
        """
        before = self.phase
        self._progress = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            raise _cause(error) from error
        except httptools.HttpParserError as error:
            raise RefusedError(400, f"malformed HTTP request: {error}") from error
        if before is self.phase is not IDLE and not self._progress:
            # The parser does not report a header, trailer or chunk extension that never ends: count what it holds.
            self._count_head(len(data))
        return None

    # Called by httptools.

    def on_message_begin(self) -> None:
        self.phase = HEAD
        self.since = time.monotonic()

    def on_url(self, part: bytes) -> None:
        self._url += part
        if len(self._url) > self._limits.url_bytes:
            raise RefusedError(414, f"request URL is longer than {self._limits.url_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        # The inmost loop of every request: what is seldom is done elsewhere.
        self._head_count += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._head_count > self._limits.header_count:
            raise RefusedError(431, f"request has more than {self._limits.header_count} headers")
        if self._head_bytes > self._limits.header_bytes:
            raise self._head_too_large()
        if self.phase is HEAD:
            lowered = _kept_name(name) if len(name) <= _NAME_KEPT else _lowered(name)
            text = value.decode("latin-1").strip(" \t")
            if lowered in self._headers:
                self._add_again(lowered, text)
            else:
                self._headers[lowered] = text

    def on_chunk_header(self) -> None:
        self._progress = True

    def on_headers_complete(self) -> None:
        self._version = self._parser.get_http_version()
        self._method = self._parser.get_method().decode("ascii")
        if self._version not in ("1.1", "1.0"):
            raise RefusedError(505, f"HTTP version {self._version} is not supported")
        if self._method == "CONNECT":
            raise RefusedError(405, "method CONNECT is not supported")
        if self._version == "1.1" and "host" not in self._headers:
            raise RefusedError(400, "header Host: required in HTTP/1.1")
        self._check_body_framing()
        self.phase = BODY
        self.since = time.monotonic()
        self._check_expect()

    def on_body(self, part: bytes) -> None:
        self._progress = True
        size = len(self._body_rest) if self._body_rest is not None else len(self._body)
        if size + len(part) > self._limits.body_bytes:
            raise self._body_too_large()
        self._uploads.take(len(part))
        self._taken += len(part)
        if self._body_rest is not None:
            self._body_rest += part
        elif self._body:
            self._body_rest = bytearray(self._body + part)
        else:
            self._body = part

    def on_message_complete(self) -> None:
        body = self._body if self._body_rest is None else bytes(self._body_rest)
        exchange = Exchange(
            self._request(body),
            self._parser.should_keep_alive(),
            self._version == "1.0",
            self._parser.should_upgrade(),
        )
        self._reset()
        self.since = time.monotonic()
        self._on_exchange(exchange)

    # Our own rules.

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.header_bytes:
            raise self._head_too_large()

    def _head_too_large(self) -> RefusedError:
        return RefusedError(431, f"request headers are larger than {self._limits.header_bytes} bytes")

    def _add_again(self, name: str, value: str) -> None:
        """A header that was there before."""
        if name in _ONCE:
            raise RefusedError(400, f"header {name}: stands more than once")
        before = self._headers[name]
        self._repeated.setdefault(name, [before]).append(value)
        self._headers[name] = f"{before}, {value}"

    def _check_body_framing(self) -> None:
        coding = self._headers.get("transfer-encoding")
        if coding is not None and self._version == "1.0":
            raise RefusedError(400, "header Transfer-Encoding: not known in HTTP/1.0")
        if coding is not None and coding.lower() != "chunked":
            raise RefusedError(501, f"header Transfer-Encoding: {coding!r} is not supported, only chunked")
        length = self._headers.get("content-length")
        if length is not None and int(length) > self._limits.body_bytes:
            raise self._body_too_large()

    def _check_expect(self) -> None:
        expect = self._headers.get("expect")
        if expect is None or self._version == "1.0":
            return
        if expect.lower() != "100-continue":
            raise RefusedError(417, f"header Expect: {expect!r} is not supported")
        if "transfer-encoding" in self._headers or int(self._headers.get("content-length", "0")) > 0:
            self._on_expect()

    def _body_too_large(self) -> RefusedError:
        return RefusedError(413, f"request body is larger than {self._limits.body_bytes} bytes")

    def _request(self, body: bytes) -> Request:
        path, query = _split_target(self._url)
        try:
            return Request(
                self._method,
                path,
                query,
                self._headers,
                self._repeated,
                body,
                self._origin.peer,
                self._origin.address,
                self._origin.disconnected,
            )
        except ValueError as error:
            raise RefusedError(400, "request path: not UTF-8 after percent-decoding") from error


def _lowered(name: bytes) -> str:
    return name.decode("latin-1").lower()


# Clients say the same few names in every request. Bounded, since they choose them.
_NAME_KEPT = 64
_kept_name = lru_cache(maxsize=512)(_lowered)


def _split_target(url: bytes) -> tuple[str, str]:
    """Path and query of a request target in origin or absolute form (RFC 9112, 3.2). Raises RefusedError."""
    target = url.decode("latin-1")
    if not target.startswith("/") and "://" in target.partition("?")[0]:
        rest = target.partition("://")[2]
        authority_end = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
        target = rest[authority_end:]
        target = target if target.startswith("/") else f"/{target}"
    if "#" in target:
        raise RefusedError(400, "request target: a fragment is not allowed")
    path, _, query = target.partition("?")
    if "%00" in path:
        raise RefusedError(400, "request path: holds a NUL")
    return path, query


def _cause(error: httptools.HttpParserCallbackError) -> RefusedError:
    """The refusal a callback of ours raised; anything else there is a bug and goes on as it is."""
    inner = error.__context__ or error.__cause__
    if isinstance(inner, RefusedError):
        return inner
    raise error
