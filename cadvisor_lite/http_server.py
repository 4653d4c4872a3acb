"""A small HTTP/1.1 server for answers that are made in memory: GET, HEAD and small POSTs, one request a connection.

The rule: nobody can cost more than a fixed amount. A fixed number of threads accepts from one socket whose backlog is
the only queue; a head must arrive whole within `HEAD_LIMIT_S` and `HEAD_LIMIT_BYTES`, a body within
`BODY_LIMIT_BYTES`, an answer must be taken within `WRITE_LIMIT_S`. Chunked bodies, upgrades and keep-alive are refused.
"""

import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

log = logging.getLogger(__name__)

THREADS = 4
BACKLOG = 64
HEAD_LIMIT_BYTES = 16384
BODY_LIMIT_BYTES = 65536
HEAD_LIMIT_S = 5.0
WRITE_LIMIT_S = 10.0
_GZIP_FROM_BYTES = 4096
_QUERY_FIELDS = 50

_REASONS = {
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded and has no query; of a key given twice the first value counts; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    content_type: str
    body: bytes | bytearray
    headers: tuple[tuple[str, str], ...] = ()


class RequestError(Exception):
    """A request that is refused, with the status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def text(status: int, message: str) -> Response:
    return Response(status, "text/plain; charset=utf-8", (message + "\n").encode())


def parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """(method, target, headers) of a request head. Raises RequestError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise RequestError(400, "malformed request line")
    if words[0] not in ("GET", "HEAD", "POST"):
        raise RequestError(405, "only GET, HEAD and POST are served")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise RequestError(400, "malformed header line")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise RequestError(501, "transfer-encoding is not served")
    return words[0], words[1], headers


def body_length(headers: Mapping[str, str]) -> int:
    """Declared length of the body in bytes. Raises RequestError."""
    value = headers.get("content-length", "0")
    if not (value.isascii() and value.isdigit()):
        raise RequestError(400, "malformed content-length")
    if len(value) > 9 or int(value) > BODY_LIMIT_BYTES:
        raise RequestError(413, f"the body may have {BODY_LIMIT_BYTES} bytes")
    return int(value)


def encode(request: Request | None, response: Response) -> tuple[bytes, bytes | bytearray]:
    """Head and body, which may be large, apart; compressed where the client takes gzip and it is worth the time."""
    body, extra = response.body, response.headers
    if request is not None and len(body) >= _GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        deflate = zlib.compressobj(1, zlib.DEFLATED, 31)
        body = deflate.compress(body) + deflate.flush()
        extra = (*extra, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    head = [
        f"HTTP/1.1 {response.status} {_REASONS.get(response.status, '')}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "X-Content-Type-Options: nosniff",
        *(f"{name}: {value}" for name, value in extra),
    ]
    content = b"" if request is not None and request.method == "HEAD" else body
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1"), content


class HttpServer:
    """Serves `handle` on `THREADS` threads between `start` and `stop`."""

    def __init__(self, address: str, port: int, handle: Callable[[Request], Response]) -> None:
        """Binds and listens. Raises OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.create_server((address, port), family=family, backlog=BACKLOG)
        self._handle = handle
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"cadvisor-http-{number}", daemon=True)
            for number in range(THREADS)
        ]

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = HEAD_LIMIT_S + WRITE_LIMIT_S) -> None:
        """Stops accepting, lets answers under way end, joins the threads."""
        self._stop.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the threads that wait in accept
        except OSError:
            log.debug("listening socket was not connected any more")
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                if not self._stop.is_set():  # out of descriptors, or a client that was gone already
                    log.warning("accept failed error=%s", error)
                    self._stop.wait(0.1)
                continue
            with connection:
                try:
                    self._answer(connection)
                except OSError as error:
                    log.debug("client lost error=%s", error)

    def _answer(self, connection: socket.socket) -> None:
        request = None
        try:
            request = receive(connection)
            if request is None:
                return
            response = self._handle(request)
        except RequestError as error:
            response = text(error.status, str(error))
        except Exception:  # the door of a request: the client is told, the log has the trace, the thread goes on
            log.exception("request failed path=%s", request.path if request else "")
            response = text(500, "internal error")
        head, body = encode(request, response)
        connection.settimeout(WRITE_LIMIT_S)
        connection.sendall(head)
        connection.sendall(body)


def receive(connection: socket.socket) -> Request | None:
    """One request, whole, within the limits; None when the client said nothing. Raises RequestError."""
    deadline = time.monotonic() + HEAD_LIMIT_S
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > HEAD_LIMIT_BYTES:
            raise RequestError(431, f"the request head may have {HEAD_LIMIT_BYTES} bytes")
        more = _receive_some(connection, deadline)
        if not more:
            if data:
                raise RequestError(400, "the request ended inside its head")
            return None
        data += more
    if end > HEAD_LIMIT_BYTES:
        raise RequestError(431, f"the request head may have {HEAD_LIMIT_BYTES} bytes")
    method, target, headers = parse_head(data[:end])
    length, body = body_length(headers), data[end + 4 :]
    while len(body) < length:
        more = _receive_some(connection, deadline)
        if not more:
            raise RequestError(400, "the request ended inside its body")
        body += more
    path, _, query = target.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError as error:
        raise RequestError(400, f"the query may have {_QUERY_FIELDS} fields") from error
    return Request(method, unquote(path), dict(reversed(pairs)), headers, body[:length])


def _receive_some(connection: socket.socket, deadline: float) -> bytes:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise RequestError(408, f"the request took longer than {HEAD_LIMIT_S:g} s")
    connection.settimeout(remaining)
    try:
        return connection.recv(16384)
    except TimeoutError as error:
        raise RequestError(408, f"the request took longer than {HEAD_LIMIT_S:g} s") from error
