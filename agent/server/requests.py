"""The connection of one client: TLS, who it is, and the answer. Only who is allowed to gets one.

``/healthz`` too: whoever has no business on this port learns nothing from it.
"""

import logging
import socket
import socketserver
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from agent.server.authorization import Authorizer
from api.errors import ApiError, InternalError, MethodNotAllowed

log = logging.getLogger(__name__)

_IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. Names of headers are in lower case; ``every``: all values of each query parameter."""

    path: str
    query: Mapping[str, str]
    method: str = "GET"
    every: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """A body, or pieces of one as they come. Pieces end with the connection or with the iterator."""

    body: bytes | Iterable[bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Takeover:
    """Answer 101 and give the connection, and what was read of it already, to ``session``; ``done`` is called at the
    end, also when it never came to a session."""

    session: Callable[[socket.socket, bytes], None]
    headers: Mapping[str, str]
    done: Callable[[], None]


class RoutingServer(socketserver.TCPServer):
    """What a connection asks of its server."""

    authorizer: Authorizer

    def route(self, request: Request) -> Response | Takeover:
        """Raises ApiError."""
        raise NotImplementedError


class RequestHandler(BaseHTTPRequestHandler):
    """One connection, in a thread of the server's."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    server: RoutingServer

    def setup(self) -> None:
        """The handshake is made here, in the connection's own thread: a client that dawdles holds up no other."""
        self.request.settimeout(_IDLE_S)
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._send(_told(MethodNotAllowed("this port answers GET, and POST for streams")))

    do_POST = do_GET  # noqa: N815
    do_DELETE = do_PATCH = do_PUT  # noqa: N815

    def _answer(self) -> None:
        response: Response | Takeover
        try:
            self._authorize()
            response = self.server.route(self._request())
        except ApiError as error:
            response = _told(error)
        except Exception as error:
            log.exception("request failed path=%s", self.path)
            response = _told(InternalError(f"{type(error).__name__}: {error}"))
        if isinstance(response, Takeover):
            self._hand_over(response)
        else:
            self._send(response)

    def _request(self) -> Request:
        url = urlsplit(self.path)
        every = parse_qs(url.query, keep_blank_values=True)
        headers = {name.lower(): self.headers.get_all(name, []) for name in self.headers}
        return Request(unquote(url.path), dict(parse_qsl(url.query)), self.command, every, headers)

    def _hand_over(self, takeover: Takeover) -> None:
        """From the 101 on the connection speaks another protocol, and is closed after it."""
        self.close_connection = True
        try:
            self.send_response(101)
            for name, value in takeover.headers.items():
                self.send_header(name, value)
            self.end_headers()
            takeover.session(self.connection, self._read_already())
        finally:
            takeover.done()

    def _read_already(self) -> bytes:
        """What the client sent behind its request; never waits."""
        self.connection.setblocking(False)
        try:
            return self.rfile.peek()  # type: ignore[attr-defined, no-any-return]
        except (ssl.SSLWantReadError, BlockingIOError):
            return b""

    def _authorize(self) -> None:
        connection = self.connection
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
        token, path = self.headers.get("Authorization", ""), urlsplit(self.path).path
        self.server.authorizer.check(certificate or {}, token, method=self.command, path=unquote(path))

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if isinstance(response.body, bytes):
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._send_pieces(iter(response.body))

    def _send_pieces(self, pieces: Iterator[bytes]) -> None:
        """An empty piece asks only whether the client is still there."""
        try:
            for piece in pieces:
                if piece:
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                elif self._client_has_gone():
                    self.close_connection = True
                    return
            self.wfile.write(b"0\r\n\r\n")
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _client_has_gone(self) -> bool:
        """A client that follows sends nothing more: what can be read is its end."""
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1)
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(_IDLE_S)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("request client=%s line=%s", self.client_address[0], format % args)


def _told(error: ApiError) -> Response:
    """Plain words, as the kubelet's: the API server before it puts them into a Status of its own."""
    return Response(error.status().message.encode(), status=error.status().code)
