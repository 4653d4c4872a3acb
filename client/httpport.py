"""A small HTTP port for what a daemon tells of itself: health and metrics, plain, GET and HEAD, a request a connection.

One thread serves all clients, and sleeps until one comes. Nobody can cost more than a fixed amount: a client has
`CLIENT_LIMIT_S` for all of its visit and `HEAD_LIMIT_BYTES` for what it says, and when `CLIENTS` are there the one that
came first goes for the next. The parser is its own: `http.server` brings TLS and mail along, 6 MiB.
"""

from __future__ import annotations

import logging
import os
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice

log = logging.getLogger(__name__)

CLIENTS = 64
CLIENT_LIMIT_S = 10.0
HEAD_LIMIT_BYTES = 16_384
ACCEPT_PAUSE_S = 0.1
_CHUNK_BYTES = 4096
_JOIN_S = 5.0
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(r"([A-Za-z]+) (?:https?://[^/? ]+)?(/[!-~]*|\*) HTTP/1\.\d")

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` come after those that every answer has (`_encode`)."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] | None = None


def by_path(routes: Mapping[str, Callable[[], Answer]]) -> Callable[[str], Answer]:
    """The answer of each path; 404 with the paths there are for others."""

    def answer(path: str) -> Answer:
        if path in routes:
            return routes[path]()
        return Answer(HTTPStatus.NOT_FOUND, f"known: {', '.join(routes)}\n".encode())

    return answer


@dataclass(slots=True)
class _Client:
    """``talk`` yields the poll events that it waits for, and ends with the conversation."""

    sock: socket.socket
    talk: Iterator[int]
    deadline: float


class HttpPort:
    """Gives ``answer`` of each path asked for, without the query, between ``start`` and ``stop``.

    It is called on the port's thread, one request at a time. Listens from the beginning; raises OSError, with the
    address as its file name, when it cannot be had. Port 0: one that is free.
    """

    def __init__(self, address: str, port: int, answer: Callable[[str], Answer], *, name: str) -> None:
        self._answer = answer
        self._listener = _listen(address, port)
        self._rests_until: float | None = None
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        # All have the same limit: who came first is cut first.
        self._clients: dict[int, _Client] = {}
        self._poll = select.poll()
        self._poll.register(self._stop, select.POLLIN)
        self._poll.register(self._listener, select.POLLIN)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close it. An answer that is being made is still given; who has not asked yet is cut."""
        os.eventfd_write(self._stop, 1)
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        self._listener.close()
        if not self._thread.is_alive():
            os.close(self._stop)

    def _serve(self) -> None:
        while True:
            ready = [fd for fd, _ in self._poll.poll(self._wait_ms())]
            if self._stop in ready:
                break
            for fd in ready:
                if fd in self._clients:
                    self._go_on(fd)
            if self._listener.fileno() in ready:
                self._accept()
            self._look_at_the_clock()
        for fd in list(self._clients):
            self._end(fd)

    def _wait_ms(self) -> float | None:
        """Until the first limit that is due; None: there is none."""
        due = [client.deadline for client in islice(self._clients.values(), 1)]
        due += [] if self._rests_until is None else [self._rests_until]
        return max(0.0, (min(due) - time.monotonic()) * 1000) if due else None

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for fd in [fd for fd, client in self._clients.items() if client.deadline <= now]:
            self._end(fd)
        if self._rests_until is not None and self._rests_until <= now:
            self._rests_until = None
            self._poll.modify(self._listener, select.POLLIN)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return  # gone before it was its turn
        except OSError as error:
            log.warning("accept failed error=%s", error)
            # Out of descriptors, who waits stays to be accepted: poll would tell so without end.
            self._rests_until = time.monotonic() + ACCEPT_PAUSE_S
            self._poll.modify(self._listener, 0)
            return
        if len(self._clients) >= CLIENTS:
            self._end(next(iter(self._clients)))
        sock.setblocking(False)
        self._clients[sock.fileno()] = _Client(sock, self._talk(sock), time.monotonic() + CLIENT_LIMIT_S)
        self._go_on(sock.fileno())

    def _go_on(self, fd: int) -> None:
        try:
            self._poll.register(fd, next(self._clients[fd].talk))
        except (StopIteration, OSError):
            self._end(fd)

    def _end(self, fd: int) -> None:
        client = self._clients.pop(fd)
        try:
            self._poll.unregister(fd)
        except KeyError:
            log.debug("client left before it was waited for fd=%d", fd)
        client.sock.close()

    def _talk(self, sock: socket.socket) -> Iterator[int]:
        """Hear, answer, and wait until the client has taken it: closing before that could take it back (RST)."""
        head = b""
        while not (end := _HEAD_END.search(head)) and len(head) <= HEAD_LIMIT_BYTES:
            yield select.POLLIN
            more = sock.recv(_CHUNK_BYTES)
            if not more:
                return
            head += more
        unsent = memoryview(self._reply(head[: end.start()] if end else None))
        while unsent:
            yield select.POLLOUT
            unsent = unsent[sock.send(unsent) :]
        sock.shutdown(socket.SHUT_WR)
        for _ in range(HEAD_LIMIT_BYTES // _CHUNK_BYTES):
            yield select.POLLIN
            if not sock.recv(_CHUNK_BYTES):
                return

    def _reply(self, head: bytes | None) -> bytes:
        """The bytes that answer this request head; None: it is too long."""
        if head is None:
            return _encode(_refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        line = _REQUEST_LINE.fullmatch(head.decode("latin-1").partition("\n")[0].rstrip("\r"))
        if line is None:
            return _encode(_refused(HTTPStatus.BAD_REQUEST))
        method, path = line[1], line[2].partition("?")[0]
        log.debug("request method=%s path=%s", method, path)
        if method not in ("GET", "HEAD"):
            return _encode(_refused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}))
        try:
            answer = self._answer(path)
        except Exception:  # the door of a request: the log has the trace, and the port goes on
            log.exception("request failed path=%s", path)
            answer = _refused(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _encode(answer, with_body=method == "GET")


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(CLIENTS)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, f"{address}:{port}") from error
    return listener


def _refused(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, f"{status.phrase}\n".encode(), headers=headers)


def _encode(answer: Answer, *, with_body: bool = True) -> bytes:
    head = {
        "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        "Connection": "close",
        "X-Content-Type-Options": "nosniff",
        **(answer.headers or {}),
    }
    lines = (f"HTTP/1.1 {answer.status.value} {answer.status.phrase}", *(f"{k}: {v}" for k, v in head.items()), "", "")
    return "\r\n".join(lines).encode("latin-1") + (answer.body if with_body else b"")
