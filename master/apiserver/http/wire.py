"""Answers as bytes on the wire (RFC 9112). Pure: values in, bytes out.

It refuses what would let a handler break the framing: a line end in a header, or a header that the edge decides itself.
"""

from __future__ import annotations

import time
from functools import lru_cache
from http import HTTPStatus

from master.apiserver.http.message import Headers, Response, Stream

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

PRIVATE = "Cache-Control: no-cache, private"
"""Of every answer that says nothing else, as in Kubernetes: what one client may see is kept for no other."""

_OURS = frozenset({"connection", "content-length", "date", "transfer-encoding"})
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def has_body(status: int) -> bool:
    """Whether an answer of this status carries a body at all (RFC 9110, 6.4.1)."""
    return status >= 200 and status not in (204, 304)


def whole_head(response: Response, connection: str) -> bytes:
    """The head of a whole answer; `connection` is "", "close" or "keep-alive".

    Raises ValueError when a header would break the framing.
    """
    if not response.headers and not connection and has_body(response.status):
        # Nearly all answers: what they have in common is made once a second.
        return b"%b%d\r\n\r\n" % (
            _until_length(response.status, response.content_type, int(time.time())),
            len(response.body),
        )
    lines = _first_lines(response.status, response.content_type, int(time.time()))
    if has_body(response.status):
        lines.append(f"Content-Length: {len(response.body)}")
    return _assemble(_private(lines, response.headers), response.headers, connection)


def stream_head(stream: Stream, *, chunked: bool, keep: bool) -> bytes:
    """The head of a stream; without size and chunks (HTTP/1.0) the body ends with the connection. Raises ValueError."""
    lines = _first_lines(stream.status, stream.content_type, int(time.time()))
    if stream.size is not None:
        lines.append(f"Content-Length: {stream.size}")
    elif chunked:
        lines.append("Transfer-Encoding: chunked")
    return _assemble(_private(lines, stream.headers), stream.headers, "" if keep else "close")


def upgrade_head(protocol: str, headers: Headers) -> bytes:
    """The 101 that ends HTTP on a connection."""
    return _assemble(["HTTP/1.1 101 Switching Protocols", f"Upgrade: {protocol}"], headers, "Upgrade")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` may not be empty, that would be the end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _first_lines(status: int, content_type: str, second: int) -> list[str]:
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}", f"Date: {http_date(second)}"]
    if has_body(status) and content_type:
        lines.append(f"Content-Type: {content_type}")
    return lines


def _private(lines: list[str], headers: Headers) -> list[str]:
    return lines if any(name.lower() == "cache-control" for name, _ in headers) else [*lines, PRIVATE]


def _assemble(lines: list[str], headers: Headers, connection: str) -> bytes:
    for name, value in headers:
        if name.lower() in _OURS:
            raise ValueError(f"header {name}: is decided by the HTTP edge")
        lines.append(f"{name}: {value}")
    if connection:
        lines.append(f"Connection: {connection}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError(f"headers: one of {[name for name, _ in headers]} holds a line end")
    return text.encode("latin-1") + b"\r\n\r\n"


@lru_cache(maxsize=64)
def _until_length(status: int, content_type: str, second: int) -> bytes:
    whole = _assemble([*_first_lines(status, content_type, second), PRIVATE, "Content-Length: "], (), "")
    return whole.removesuffix(b"\r\n\r\n")


@lru_cache(maxsize=2)
def http_date(second: int) -> str:
    """Seconds since 1970 as RFC 9110, 5.6.7 writes them, whatever the locale."""
    year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(second)
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
