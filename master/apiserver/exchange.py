"""One request to a node's agent or to a pod, and its answer, over a connection of its own.

A small HTTP/1.1 client on asyncio streams: an answer's body comes piece by piece, so that a log that is followed for
days costs one connection and no thread, and after a 101 the connection itself is handed out. Whom to trust is the
caller's business.
"""

import asyncio
import re
import ssl
import weakref
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from api.errors import ServiceUnavailable

CONNECT_S = 10.0
_HEAD_MAX = 64 * 1024
_PIECE = 64 * 1024
_BODILESS = (204, 304)
_WITH_BODY = ("POST", "PUT", "PATCH")
_LENGTH = re.compile("[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")

Pairs = list[tuple[str, str]]
"""Headers with lower-case names, as they came: a repeated one stands several times."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an agent or a pod listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is sent. ``headers`` are all but those that frame it (Host, Content-Length)."""

    path: str
    method: str = "GET"
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def wire(self, address: Address) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {address}"]
        if self.body or self.method in _WITH_BODY:
            lines.append(f"Content-Length: {len(self.body)}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class Reply:
    """An answer whose body is still coming; close it. ``headers`` have the last of repeated ones.

    One that nobody holds any more takes its connection with it: where the client has left, nobody reads it.
    """

    def __init__(self, status: int, pairs: Pairs, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = status
        self.pairs = pairs
        self.headers = dict(pairs)
        self._reader = reader
        self._writer = writer
        weakref.finalize(self, writer.transport.abort)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ConnectionError when the connection breaks before its end."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            async for piece in self._chunks():
                yield piece
            return
        length = self.headers.get("content-length", "")
        left = int(length) if _LENGTH.fullmatch(length) else None
        while left is None or left > 0:
            piece = await self._reader.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                if left:
                    raise ConnectionError("the connection was closed in the middle of the answer")
                return
            left = None if left is None else left - len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while size := _chunk_bytes(await self._reader.readuntil(b"\r\n")):
                while size:
                    piece = await self._reader.read(min(size, _PIECE))
                    if not piece:
                        raise ConnectionError("the connection was closed in the middle of the answer")
                    size -= len(piece)
                    yield piece
                await self._reader.readexactly(2)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise ConnectionError("the answer is not whole") from error

    async def text(self, limit: int) -> str:
        """The beginning of the body, within the time of a connect."""
        found = b""
        async with asyncio.timeout(CONNECT_S):
            async for piece in self.pieces():
                found += piece
                if len(found) >= limit:
                    break
        return found[:limit].decode(errors="replace")

    def ends(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection itself, after a 101; closing stays with this reply."""
        return self._reader, self._writer

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (OSError, TimeoutError, ssl.SSLError):
            self._writer.transport.abort()


async def exchange(address: Address, asked: Asked, *, tls: ssl.SSLContext | None, answer_s: float, doing: str) -> Reply:
    """``tls`` None is plain; ``answer_s`` is how long the answer's head may take. Raises ServiceUnavailable, which
    begins with ``doing``, when the other side does not take or does not answer it.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls, limit=_HEAD_MAX)
    except (OSError, TimeoutError) as error:
        raise _unreachable(address, error, doing) from error
    try:
        writer.write(asked.wire(address))
        async with asyncio.timeout(answer_s):
            status, pairs = await _read_head(reader)
    except BaseException as error:
        writer.close()
        if isinstance(error, OSError | TimeoutError | ValueError | EOFError | asyncio.LimitOverrunError):
            raise _unreachable(address, error, doing) from error
        raise
    if asked.method == "HEAD" or status in _BODILESS:
        pairs = [pair for pair in pairs if pair[0] not in ("content-length", "transfer-encoding")]
        pairs.append(("content-length", "0"))
    return Reply(status, pairs, reader, writer)


def _chunk_bytes(line: bytes) -> int:
    """Of a chunk's first line (RFC 9112, 7.1). Raises ValueError; a number below zero would be read without end."""
    size = line.partition(b";")[0].strip()
    if not _CHUNK_SIZE.fullmatch(size):
        raise ValueError("no size of a chunk")
    return int(size, 16)


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, Pairs]:
    """Status and headers of the answer, behind any that only announce it (RFC 9110, 15.2). Raises ValueError for what
    is not HTTP.
    """
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        if len(lines) + 2 != head.count("\n") or head.count("\r") != head.count("\n"):
            raise ValueError("a header holds a line end")
        _, code, *_ = first.split(" ")
        if not 100 <= (status := int(code)) <= 999:
            raise ValueError("no status of HTTP")
        if status >= 200 or status == 101:
            parts = (text.partition(":") for text in lines)
            return status, [(name.strip().lower(), value.strip()) for name, _, value in parts]


def _unreachable(address: Address, error: BaseException, doing: str) -> ServiceUnavailable:
    reason = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return ServiceUnavailable(f"{doing} {address}: {reason}")
