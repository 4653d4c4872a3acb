"""One request to the API server, or one stream from it, over kept connections.

urllib3 is used directly (requests stands on it): it is safe to share between threads, ignores proxy variables of the
environment, and lets another thread end a blocked read.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3

from api.codec import decode
from api.errors import ApiError, from_status
from api.meta import Status
from client.fresh import Fresh
from client.kubeconfig import Credentials, load_kubeconfig

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
# A way that is cut ends no connection by itself: the kernel asks after the other side when nothing comes, and gives up
# what is not acknowledged. Without, a node that was cut off would go on for minutes after the way is back.
_KEEPALIVE_S, _KEEPALIVE_EVERY_S, _KEEPALIVE_TRIES = 5, 2, 3
_UNACKNOWLEDGED_MS = 10_000
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_TRIES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
]
# Each watch has a connection of its own, and controllers watch some thirty kinds.
_KEPT = 64
MAX_LINE_BYTES = 16 * 2**20
T = TypeVar("T")
Query = Mapping[str, str | int | bool | None]


class Unreachable(Exception):
    """The API server could not be reached, the connection broke before its answer was whole, or it made no sense."""


class Stream:
    """An open answer that goes on: a watch or a log that is followed."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """Pieces as they arrive. Raises Unreachable when the connection breaks or is silent for too long."""
        try:
            while chunk := self._response.read1(65536):
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
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
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError, AttributeError):
            # The other thread has just ended the stream itself.
            return

    def close(self) -> None:
        self._response.close()


class Transport:
    """Requests of one identity to one server. Safe to share between threads.

    ``before_write`` is called before all that is no GET, and may raise to hold it back.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str = "steersman",
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._before_write = before_write
        self._user_agent = user_agent
        self._credentials = credentials
        self._fresh = Fresh(*([credentials.path] if credentials.path is not None else []))
        self._use(credentials)

    def _use(self, credentials: Credentials) -> None:
        """For all requests from now on; what is under way, ends on the connections it has."""
        self._root = credentials.server.rstrip("/")
        headers = {"User-Agent": self._user_agent, "Accept": "application/json"}
        if credentials.token:
            headers["Authorization"] = f"Bearer {credentials.token}"
        context = credentials.ssl_context() if self._root.startswith("https") else None
        secure = {"ssl_context": context} if context is not None else {}
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=_KEPT,
            block=False,
            headers=headers,
            retries=False,
            socket_options=_SOCKET_OPTIONS,
            **secure,
        )

    def _reload(self) -> None:
        path, former = self._credentials.path, self._pool
        assert path is not None
        self._use(load_kubeconfig(path, context=self._credentials.context))
        former.clear()

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
        if method != "GET":
            self._before_write()
        return self._tried(
            method,
            path,
            lambda: (
                _checked(
                    self._send(
                        method, path, query, body=body, content_type=content_type, accept=accept, timeout_s=timeout_s
                    )
                ).data
            ),
        )

    def stream(
        self, path: str, *, query: Query | None = None, accept: str = "", silence_s: float | None = None
    ) -> Stream:
        """An open GET. ``silence_s``: how long nothing may arrive before it counts as broken; None is for ever."""

        def begin() -> Stream:
            response = self._send("GET", path, query, accept=accept, preload=False, timeout_s=silence_s)
            if response.status >= 300:
                response.read(decode_content=True, cache_content=True)
            return Stream(_checked(response))

        return self._tried("GET", path, begin)

    def _tried(self, method: str, path: str, send: Callable[[], T]) -> T:
        attempts = 2 if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                return send()
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == attempts:
                    raise Unreachable(f"{method} {self._root}{path}: {_reason(error)}") from error
        raise AssertionError("unreachable")

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "",
        preload: bool = True,
        timeout_s: float | None,
    ) -> urllib3.BaseHTTPResponse:
        self._fresh.follow(self._reload)
        own = ({"Accept": accept} if accept else {}) | ({"Content-Type": content_type} if body is not None else {})
        url = self._root + path + _encoded(query)
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=timeout_s)
        headers = {**self._pool.headers, **own}
        return self._pool.request(method, url, body=body, headers=headers, preload_content=preload, timeout=timeout)

    def close(self) -> None:
        self._pool.clear()


def _encoded(query: Query | None) -> str:
    if not query:
        return ""
    shown = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
    text = urlencode({key: value for key, value in shown.items() if value not in (None, "")})
    return f"?{text}" if text else ""


def _checked(response: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    if 200 <= response.status < 300:
        return response
    raise _error(response.status, response.data)


def _error(code: int, body: bytes) -> ApiError:
    try:
        status = decode(body, Status)
    except msgspec.MsgspecError:
        status = Status(message=body[:300].decode(errors="replace").strip())
    return from_status(status, http_code=code)


def _reason(error: BaseException) -> str:
    cause = getattr(error, "reason", None)
    return str(cause if isinstance(cause, BaseException) else error)
