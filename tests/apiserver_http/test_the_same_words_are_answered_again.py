"""A request that comes again byte for byte is answered by what the handler left for it, and by nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ssl import SSLContext

import pytest

from master.apiserver.http.message import Request, Response
from master.apiserver.http.tls import TlsFiles
from tests.apiserver_http.live import Serve

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Counting:
    """Handles everything with a short way to the next answer, as long as ``open``."""

    open: bool = True
    size: int = 1
    handled: list[str] = field(default_factory=list)
    repeated: int = 0

    def __call__(self, request: Request) -> Response:
        name = request.peer_certificate.common_name if request.peer_certificate is not None else ""
        self.handled.append(name)
        return Response(200, f"handled {name}".encode(), again=self._again)

    def _again(self) -> Response | None:
        if not self.open:
            return None
        self.repeated += 1
        return Response(200, b"a" * self.size)


def test_the_same_bytes_take_the_short_way(serve: Serve) -> None:
    handler = Counting()
    client = serve(handler).connect()
    assert client.send(GET).response().body == b"handled "
    replies = [client.send(GET).response() for _ in range(3)]
    assert [reply.body for reply in replies] == [b"a"] * 3
    assert {"date", "content-type", "content-length"} <= replies[0].headers.keys()
    assert (len(handler.handled), handler.repeated) == (1, 3)


def test_another_connection_of_the_same_client_takes_it_too(serve: Serve) -> None:
    handler = Counting()
    live = serve(handler)
    assert live.connect().send(GET).response().body == b"handled "
    assert live.connect().send(GET).response().body == b"a"


def test_another_client_is_handled(
    serve: Serve, tls_files: TlsFiles, client_context: Callable[..., SSLContext]
) -> None:
    handler = Counting()
    live = serve(handler, tls=tls_files)
    jane, nobody = live.connect_tls(client_context("jane")), live.connect_tls(client_context())
    assert jane.send(GET).response().body == b"handled jane"
    assert nobody.send(GET).response().body == b"handled "
    assert jane.send(GET).response().body == nobody.send(GET).response().body == b"a"
    assert handler.handled == ["jane", ""]


def test_what_the_handler_takes_back_is_handled(serve: Serve) -> None:
    handler = Counting()
    client = serve(handler).connect()
    bodies = []
    for handler.open in (True, True, False, True, True):
        bodies.append(client.send(GET).response().body)
    assert bodies == [b"handled ", b"a", b"handled ", b"a", b"a"]


def test_a_large_answer_is_handled(serve: Serve) -> None:
    """It may have to be compressed."""
    handler = Counting(size=200_000)
    client = serve(handler).connect()
    assert [client.send(GET).response().body for _ in range(3)] == [b"handled "] * 3


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
        b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1024 + b"\r\n\r\n",
        GET + GET,
    ],
)
def test_other_requests_are_handled_each_time(serve: Serve, request_bytes: bytes) -> None:
    handler = Counting()
    client = serve(handler).connect()
    times = request_bytes.count(b"HTTP/")
    for _ in range(3):
        client.send(request_bytes)
        for _ in range(times):
            client.response(head_only=request_bytes.startswith(b"HEAD"))
    assert (len(handler.handled), handler.repeated) == (3 * times, 0)


def test_the_same_bytes_inside_another_request_are_its_body(serve: Serve) -> None:
    handler = Counting()
    client = serve(handler).connect()
    assert client.send(GET).response().body == b"handled "
    client.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GET))
    for piece in (GET[:5], GET[5:]):
        client.send(piece)
    assert client.response().body == b"handled "
    client.send(b"POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GET))
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
    client.send(GET)
    assert client.response().body == b"handled ", "the whole read is what came before, and still it is a body"
    assert (len(handler.handled), handler.repeated) == (3, 0)


def test_a_request_that_wants_the_end_gets_it(serve: Serve) -> None:
    handler = Counting()
    live = serve(handler)
    last = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for _ in range(2):
        client = live.connect().send(last)
        assert client.response().headers["connection"] == "close"
        assert client.to_the_end() == b""
    assert handler.repeated == 0
