"""One kept HTTP/1.1 connection to an API server: a request goes out in one piece, its answer comes whole or in pieces.

Made for many small requests: the head is a few joined strings, llhttp takes the answer apart. What the other side says
is believed only as far as it makes sense: all that does not is an OSError, and the connection is good for nothing more.
"""

import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

CONNECT_TIMEOUT_S = 5.0
# A way that is cut ends no connection by itself: the kernel asks after the other side when nothing comes, and gives up
# what is not acknowledged. Without, a node that was cut off would go on for minutes after the way is back.
_KEEPALIVE_S, _KEEPALIVE_EVERY_S, _KEEPALIVE_TRIES = 5, 2, 3
_UNACKNOWLEDGED_MS = 10_000
_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_TRIES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
)
# A TLS record holds no more: each is read whole, and what is still to come can be heard at the socket.
_READ_BYTES = 16384
_HEAD_MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """Where an API server is: ``root`` is its URL without a slash at the end, ``prefix`` the path in it."""

    root: str
    host: str
    port: int
    secure: bool
    authority: str
    prefix: str

    @classmethod
    def at(cls, url: str) -> "Server":
        """Raises ValueError."""
        root = url.rstrip("/")
        parts = urlsplit(root)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url} is no address of an API server")
        secure = parts.scheme == "https"
        authority = parts.netloc.rpartition("@")[2]
        if not (root.isascii() and root.isprintable()) or " " in root:
            raise ValueError(f"{url!r} has characters that are not allowed")
        return cls(root, parts.hostname, parts.port or (443 if secure else 80), secure, authority, parts.path)


class Broken(OSError):
    """The answer is not whole or makes no sense."""


class _Answer:
    """What llhttp has found so far."""

    def __init__(self) -> None:
        self.status = 0
        self.retry_after = ""
        self.warnings: list[str] = []
        self.headed = False
        self.whole = False
        self.surplus = False
        self._kept_open = False
        self.body: list[bytes] = []
        self._delimited = False
        self._head_bytes = 0
        self.parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Empty data is the end of the connection. Raises Broken."""
        if not data:
            self._end()
            return
        if not self.headed:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.surplus = self.whole
            if self.whole:
                return
            raise Broken(f"not an HTTP answer: {error!r}") from error
        if not self.headed and self._head_bytes > _HEAD_MAX_BYTES:
            raise Broken("the head of the answer has no end")

    def _end(self) -> None:
        """An answer that tells neither its length nor its pieces ends with the connection."""
        if not self.headed or self._delimited:
            raise Broken("the connection was closed before the answer was whole")
        self.whole = self.surplus = True

    def on_message_begin(self) -> None:
        self.surplus = self.surplus or self.whole

    def on_header(self, name: bytes, value: bytes) -> None:
        known = name.lower()
        if known in (b"content-length", b"transfer-encoding"):
            self._delimited = True
        elif known == b"retry-after":
            self.retry_after = value.decode("latin-1")
        elif known == b"warning":
            self.warnings.append(value.decode(errors="replace"))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if self.whole or status < 200:
            return
        self.status, self.headed = status, True

    def on_body(self, data: bytes) -> None:
        if not self.whole:
            self.body.append(data)

    def on_message_complete(self) -> None:
        # An interim answer (1xx) comes before the real one.
        self.whole = self.headed
        self._kept_open = not self.surplus and bool(self.parser.should_keep_alive())

    @property
    def lets_go_on(self) -> bool:
        return self._kept_open and not self.surplus


class Connection:
    """One thread at a time uses it; ``shutdown`` may come from any. Raises OSError when it cannot be made."""

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        # Text would bring in the tables for names of other letters, half a MiB; the names here are ASCII.
        host = server.host.encode("ascii")
        self._socket = socket.create_connection((host, server.port), CONNECT_TIMEOUT_S)  # type: ignore[arg-type]
        try:
            for option in _SOCKET_OPTIONS:
                self._socket.setsockopt(*option)
            if context is not None:
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except BaseException:
            self._socket.close()
            raise
        self._timeout_s: float | None = CONNECT_TIMEOUT_S
        self._idle = select.poll()
        self._idle.register(self._socket, select.POLLIN | select.POLLPRI | select.POLLRDHUP)
        self._answer = _Answer()

    @property
    def lets_go_on(self) -> bool:
        """Whether another request may go out: the last answer was read whole, and the server has not said the end."""
        return self._answer.lets_go_on

    @property
    def is_stale(self) -> bool:
        """Whether something came unasked: the end of the connection, most likely."""
        return bool(self._idle.poll(0))

    def ask(self, request: bytes, timeout_s: float | None) -> int:
        """Sends a request and reads the answer's head; returns the status.

        ``timeout_s`` is for each step of this and of what is read later; None is for ever.
        """
        if timeout_s != self._timeout_s:
            self._socket.settimeout(timeout_s)
            self._timeout_s = timeout_s
        answer = self._answer = _Answer()
        self._socket.sendall(request)
        while not answer.headed:
            answer.feed(self._socket.recv(_READ_BYTES))
        return answer.status

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def retry_after(self) -> str:
        return self._answer.retry_after

    @property
    def warnings(self) -> list[str]:
        """The ``Warning`` headers, as they were sent."""
        return self._answer.warnings

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, up to its end.

        While nothing comes, no buffer is held for it: a daemon has a watch for each kind, and most of them are silent.
        """
        answer = self._answer
        while True:
            if answer.body:
                yield b"".join(answer.body)
                answer.body.clear()
            if answer.whole:
                return
            self._wait()
            answer.feed(self._socket.recv(_READ_BYTES))

    def _wait(self) -> None:
        """Until there is something to read. Raises TimeoutError."""
        limit_ms = None if self._timeout_s is None else self._timeout_s * 1000
        if not self._idle.poll(limit_ms):
            raise TimeoutError("nothing has come for too long")

    def body(self) -> bytes:
        """The whole body."""
        answer = self._answer
        while not answer.whole:
            answer.feed(self._socket.recv(_READ_BYTES))
        return answer.body[0] if len(answer.body) == 1 else b"".join(answer.body)

    def shutdown(self) -> None:
        """Ends a read that another thread is blocked in."""
        try:
            # Not the method of an SSLSocket: that one takes the TLS layer from under the other thread's read.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            # It has ended by itself.
            return

    def close(self) -> None:
        self._socket.close()
