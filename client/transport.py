"""One request to the API server, or one stream from it, over kept connections.

Proxy variables of the environment are not read: a component's way to its master is what the kubeconfig says.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from api.codec import decode
from api.errors import ApiError, TooManyRequests, from_status
from api.meta import Status, StatusDetails
from client.connection import Connection
from client.fresh import Fresh
from client.kubeconfig import Credentials, load_kubeconfig
from client.pool import Line, NotConnected, Pool

READ_TIMEOUT_S = 30.0
# A server that has too much to do says when to come again (429 with Retry-After): it is asked so often in all, and
# waited for at most so long each time.
_ASKED_MAX = 4
_WAIT_MAX_S = 5.0
MAX_LINE_BYTES = 16 * 2**20
T = TypeVar("T")
Query = Mapping[str, str | int | bool | None]


# RFC 7234, section 5.5: a code, who warns, and a quoted text. 299 is what Kubernetes has for people.
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Unreachable(Exception):
    """The API server could not be reached, the connection broke before its answer was whole, or it made no sense."""


class RequestObserver:
    """Hears of every request that was answered, or not (``code`` is ``<error>`` then)."""

    def requested(self, method: str, host: str, code: str, took_s: float) -> None:
        """``took_s`` is the time until the head of the answer was there."""

    def warned(self, text: str) -> None:
        """The server had a warning for whoever asked."""


class Stream:
    """An open answer that goes on: a watch or a log that is followed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def chunks(self) -> Iterator[bytes]:
        """Pieces as they arrive. Raises Unreachable when the connection breaks or is silent for too long."""
        try:
            yield from self._connection.pieces()
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from error
        finally:
            self.close()

    def lines(self) -> Iterator[bytes]:
        """Whole lines without their end."""
        pending = b""
        for chunk in self.chunks():
            *whole, pending = (pending + chunk).split(b"\n")
            yield from whole
            if len(pending) > MAX_LINE_BYTES:
                raise Unreachable(f"a line of more than {MAX_LINE_BYTES} bytes")
        if pending:
            yield pending

    def shutdown(self) -> None:
        """Ends a read that another thread is blocked in."""
        self._connection.shutdown()

    def close(self) -> None:
        self._connection.close()


class Transport:
    """Requests of one identity. Safe to share between threads.

    ``before_write`` is called before all that is no GET, and may raise to hold it back.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str = "steersman",
        before_write: Callable[[], None] = lambda: None,
        observer: RequestObserver | None = None,
    ) -> None:
        self._before_write = before_write
        self._user_agent = user_agent
        self._credentials = credentials
        self._observer = observer or RequestObserver()
        self._fresh = Fresh(*([credentials.path] if credentials.path is not None else []))
        self._pool = Pool(credentials, user_agent)
        self._closing = threading.Event()

    def _reload(self) -> None:
        """For all requests from now on; what is under way, ends on the connections it has."""
        path, former = self._credentials.path, self._pool
        assert path is not None
        found = load_kubeconfig(path, context=self._credentials.context)
        self._pool = Pool(found, self._user_agent)
        self._credentials = found
        former.close()

    @property
    def certificate(self) -> bytes:
        """PEM of the one that is shown to the server; empty where a token is."""
        return self._credentials.certificate

    @property
    def failed_renewals(self) -> int:
        """How often the kubeconfig was replaced by one that could not be used."""
        return self._fresh.failures

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "",
        timeout_s: float = READ_TIMEOUT_S,
    ) -> bytes:
        """The body of a 2xx answer, JSON if nothing else is accepted. Raises an ApiError for a refusal, Unreachable
        otherwise.

        Only a GET is tried a second time: a kept connection may have been closed by the server just then.
        """
        headers = _accepting(accept)
        if body is not None:
            headers += f"Content-Type: {content_type}\r\n"
        return self._asked(method, path + _encoded(query), headers, _whole, body=body, timeout_s=timeout_s)

    def stream(
        self, path: str, *, query: Query | None = None, accept: str = "", silence_s: float | None = None
    ) -> Stream:
        """An open GET. ``silence_s``: how long nothing may arrive before it counts as broken; None is for ever."""
        return self._asked("GET", path + _encoded(query), _accepting(accept), _open, timeout_s=silence_s)

    def _asked(
        self,
        method: str,
        target: str,
        headers: str,
        finish: Callable[[Pool, Line], T],
        *,
        body: bytes | None = None,
        timeout_s: float | None,
    ) -> T:
        """Comes again when the server says that it has too much to do."""
        self._fresh.follow(self._reload)
        for _ in range(_ASKED_MAX - 1):
            try:
                return self._tried(method, target, headers, finish, body=body, timeout_s=timeout_s)
            except TooManyRequests as error:
                wait_s = _wait_s(error)
                if not wait_s or self._closing.wait(wait_s):
                    raise
        return self._tried(method, target, headers, finish, body=body, timeout_s=timeout_s)

    def _tried(
        self,
        method: str,
        target: str,
        headers: str,
        finish: Callable[[Pool, Line], T],
        *,
        body: bytes | None,
        timeout_s: float | None,
    ) -> T:
        attempts = 2 if method == "GET" else 1
        if method != "GET":
            self._before_write()
        while True:
            pool, attempts = self._pool, attempts - 1
            try:
                line = pool.take()
            except NotConnected as error:
                raise Unreachable(f"{method} {error.server.root}{target}: {error}") from error
            try:
                self._ask(line, method, pool.request(line, method, target, headers, body), timeout_s)
                return finish(pool, line)
            except OSError as error:
                line.connection.close()
                if not line.kept or isinstance(error, TimeoutError):
                    pool.failed(line)
                if not attempts:
                    raise Unreachable(f"{method} {line.server.root}{target}: {error}") from error

    def _ask(self, line: Line, method: str, request: bytes, timeout_s: float | None) -> None:
        began, code = time.monotonic(), "<error>"
        try:
            code = str(line.connection.ask(request, timeout_s))
        finally:
            self._observer.requested(method, line.server.authority, code, time.monotonic() - began)
        for sent in line.connection.warnings:
            if found := _WARNING.match(sent):
                self._observer.warned(_ESCAPED.sub(r"\1", found[1]))

    def close(self) -> None:
        self._closing.set()
        self._pool.close()


def _accepting(accept: str) -> str:
    return f"Accept: {accept or 'application/json'}\r\n"


def _encoded(query: Query | None) -> str:
    if not query:
        return ""
    shown = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
    text = urlencode({key: value for key, value in shown.items() if value not in (None, "")})
    return f"?{text}" if text else ""


def _whole(pool: Pool, line: Line) -> bytes:
    text = line.connection.body()
    pool.give(line)
    if 200 <= line.connection.status < 300:
        return text
    raise _error(line.connection, text)


def _open(pool: Pool, line: Line) -> Stream:
    if 200 <= line.connection.status < 300:
        return Stream(line.connection)
    _whole(pool, line)
    raise AssertionError("a refusal is raised")


def _error(connection: Connection, body: bytes) -> ApiError:
    try:
        status = decode(body, Status)
    except msgspec.MsgspecError:
        status = Status(message=body[:300].decode(errors="replace").strip())
    if connection.retry_after.isascii() and connection.retry_after.isdigit():
        status.details = status.details or StatusDetails()
        status.details.retry_after_seconds = min(int(connection.retry_after[:9]), 2**31 - 1)
    return from_status(status, http_code=connection.status)


def _wait_s(error: ApiError) -> float:
    """How long to wait before coming again; 0: not at all. A refusal with a cause is for the object, not for the load
    (a disruption budget).
    """
    details = error.details
    if details is None or details.causes:
        return 0.0
    return min(details.retry_after_seconds, _WAIT_MAX_S)
