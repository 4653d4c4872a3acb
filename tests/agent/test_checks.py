"""What probes ask of servers, and what they make of the answers. The servers are real ones on the loopback."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h2.config
import h2.connection
import h2.events
import pytest

from agent.probes.checks import CheckResult, Target, check_grpc, check_http, check_tcp
from api.codec import convert
from api.core import Container, GRPCAction, HTTPGetAction, TCPSocketAction
from tests.agent.certificates import Authority
from tests.agent.facts import record
from tests.agent.sockets import free_port

NAMED = {"name": "c0", "ports": [{"name": "web", "containerPort": 1}]}


def _target(container: dict[str, object] | None = None) -> Target:
    return Target(record("c0"), convert(container or NAMED, Container), "127.0.0.1")


class _Pages(BaseHTTPRequestHandler):
    """/NUMBER answers with that status; /host only when the header Host is right."""

    def do_GET(self) -> None:
        if self.path == "/host":
            status = 200 if (self.headers["Host"], self.headers["X-Tag"]) == ("some.host", "a") else 400
        else:
            status = int(self.path[1:])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/500")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(params=["HTTP", "HTTPS"])
def pages(request: pytest.FixtureRequest, authority: Authority) -> Iterator[tuple[str, int]]:
    """Scheme and port of a server; its certificate is of an authority that nobody knows."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    if request.param == "HTTPS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, authority.issue("elsewhere", addresses=("192.0.2.1",), server=True)))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="test-pages")
    thread.start()
    yield request.param, server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/200", CheckResult(True)),
        ("/302", CheckResult(True)),
        ("/404", CheckResult(False, "HTTP probe failed with statuscode: 404")),
        ("/host", CheckResult(True)),
    ],
)
def test_a_status_from_200_to_399_is_success(pages: tuple[str, int], path: str, result: CheckResult) -> None:
    headers = [{"name": "Host", "value": "some.host"}, {"name": "X-Tag", "value": "a"}]
    action = {"path": path, "port": pages[1], "scheme": pages[0], "httpHeaders": headers}
    assert check_http(_target(), convert(action, HTTPGetAction), 5.0) == result


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 200\n\n", ""),
        (b"SSH-2.0-OpenSSH\r\n", "malformed HTTP response b'SSH-2.0-OpenSSH\\r\\n'"),
        (b"", "EOF"),
    ],
)
def test_only_http_is_an_answer(answer: bytes, told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=_answer_once, args=(server, answer), name="test-answer")
        thread.start()
        result = check_http(_target(), convert({"path": "/", "port": port}, HTTPGetAction), 5.0)
        thread.join(20)
    assert result == CheckResult(not told, told and f'Get "http://127.0.0.1:{port}/": {told}')


def _answer_once(server: socket.socket, answer: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.recv(65536)
        client.sendall(answer)


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        action = convert({"path": "/", "port": server.getsockname()[1]}, HTTPGetAction)
        assert "context deadline exceeded" in check_http(_target(), action, 0.2).message


@pytest.mark.parametrize(
    "more",
    [
        {"httpHeaders": [{"name": "X", "value": "a\r\nHost: other"}]},
        {"httpHeaders": [{"name": "X y", "value": "a"}]},
        {"path": "/ HTTP/1.1\r\nHost: other"},
    ],
)
def test_what_would_be_another_line_is_not_sent(more: dict[str, object]) -> None:
    action = convert({"path": "/", "port": free_port(), **more}, HTTPGetAction)
    told = check_http(_target(), action, 5.0)
    assert told.ok is False
    assert "invalid" in told.message


def test_a_port_that_nobody_serves_is_told_as_the_kubelet_tells_it() -> None:
    port = free_port()
    told = check_http(_target(), convert({"path": "/x", "port": port}, HTTPGetAction), 5.0)
    assert told == CheckResult(False, f'Get "http://127.0.0.1:{port}/x": connect: connection refused')
    told = check_tcp(_target(), convert({"port": port}, TCPSocketAction), 5.0)
    assert told == CheckResult(False, f"dial tcp 127.0.0.1:{port}: connect: connection refused")
    assert check_tcp(_target(), convert({"port": "none"}, TCPSocketAction), 5.0).message == "couldn't find port: none"


def test_a_port_may_be_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        container = {"name": "c0", "ports": [{"name": "web", "containerPort": server.getsockname()[1]}]}
        assert check_tcp(_target(container), convert({"port": "web"}, TCPSocketAction), 5.0) == CheckResult(True)


# gRPC.

Answer = Callable[[h2.connection.H2Connection, int, bytes], None]


def _serving(status: int) -> Answer:
    def answer(connection: h2.connection.H2Connection, stream: int, asked: bytes) -> None:
        assert asked == b"\x00\x00\x00\x00\x05\x0a\x03web"
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        connection.send_data(stream, b"\x00\x00\x00\x00\x02\x08" + bytes((status,)))
        connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    return answer


def _unknown(connection: h2.connection.H2Connection, stream: int, _: bytes) -> None:
    connection.send_headers(stream, [(":status", "200"), ("grpc-status", "5")], end_stream=True)


def _silent(_: h2.connection.H2Connection, __: int, ___: bytes) -> None:
    return


@contextmanager
def _grpc(answer: Answer) -> Iterator[int]:
    """The port of a server for one call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answer), name="test-grpc")
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)


def _serve(server: socket.socket, answer: Answer) -> None:
    client, _ = server.accept()
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    asked = b""
    with client:
        client.sendall(connection.data_to_send())
        while data := client.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    asked += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    answer(connection, event.stream_id, asked)
            client.sendall(connection.data_to_send())


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (_serving(1), CheckResult(True)),
        (_serving(2), CheckResult(False, "service unhealthy (responded with status 2)")),
        (_unknown, CheckResult(False, "error: health rpc failed: no such service, or no health service")),
    ],
)
def test_a_grpc_server_says_how_it_is(answer: Answer, result: CheckResult) -> None:
    with _grpc(answer) as port:
        assert check_grpc(_target(), convert({"port": port, "service": "web"}, GRPCAction), 5.0) == result


def test_a_grpc_server_that_says_nothing_is_not_waited_for() -> None:
    with _grpc(_silent) as port:
        told = check_grpc(_target(), convert({"port": port}, GRPCAction), 0.3)
    assert told == CheckResult(False, f'timeout: failed to connect service "127.0.0.1:{port}" within 0.3s')
