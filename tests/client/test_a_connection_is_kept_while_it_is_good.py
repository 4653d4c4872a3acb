"""Connections: kept between requests, made anew when they are no good, and never trusted with a write twice."""

import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from api.core import Pod
from api.errors import TooManyRequests
from api.meta import StatusCause, StatusDetails
from client import Client, Credentials, Unreachable
from client.transport import RequestObserver, Stream, Transport
from tests.client.api_server import ApiServer
from tests.client.test_calls_are_typed import pod
from tests.e2e.waiting import until

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"metadata":{}}'
Answer = Callable[[int], bytes]


def ok(_: int) -> bytes:
    return OK


class Scripted:
    """A server that says for each request of a connection, by number, what the answer is; b"" hangs up."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            request = 0
            while data := _received(connection):
                request += 1
                self.requests.append(data)
                answer = self.answer(request)
                if not answer:
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(10)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


@pytest.fixture
def scripted() -> Iterator[Callable[[Answer], Scripted]]:
    made: list[Scripted] = []

    def make(answer: Answer) -> Scripted:
        made.append(Scripted(answer))
        return made[-1]

    yield make
    for server in made:
        server.close()


def get(server: Scripted, times: int) -> None:
    client = Client(Credentials(server=server.url))
    try:
        for _ in range(times):
            client.get(Pod, "a", "default")
    finally:
        client.close()


def test_requests_go_over_one_connection(scripted: Callable[[Answer], Scripted]) -> None:
    server = scripted(ok)
    get(server, 20)
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + OK,
        OK + b"surplus",
    ],
)
def test_a_connection_that_says_too_much_or_the_end_is_not_used_again(
    scripted: Callable[[Answer], Scripted], answer: bytes
) -> None:
    server = scripted(lambda request: answer if request == 1 else b"")
    get(server, 3)
    assert server.connections == 3


def test_pieces_and_interim_answers_are_understood(scripted: Callable[[Answer], Scripted]) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nTrailer: t\r\n\r\n"
    server = scripted(lambda _: b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + chunked)
    get(server, 3)
    assert server.connections == 1


def test_a_connection_that_the_server_has_closed_costs_no_write(scripted: Callable[[Answer], Scripted]) -> None:
    server = scripted(ok)
    client = Client(Credentials(server=server.url))
    client.get(Pod, "a", "default")
    server._open[0].shutdown(socket.SHUT_RDWR)
    until(lambda: client.transport._pool._kept[0][0].connection.is_stale)
    client.create(pod("a"))
    client.close()
    assert [data.partition(b" ")[0] for data in server.requests] == [b"GET", b"POST"]


def test_a_busy_server_is_asked_again_when_it_says(api: ApiServer, client: Client) -> None:
    api.refusals = [TooManyRequests("later", details=StatusDetails(retry_after_seconds=1))]
    client.create(pod("a"))
    assert len(api.requests) == 2
    cause = StatusDetails(causes=[StatusCause(reason="DisruptionBudget")], retry_after_seconds=1)
    api.refusals = [TooManyRequests("the budget says no", details=cause), TooManyRequests("never")]
    for said in ("the budget says no", "never"):
        with pytest.raises(TooManyRequests, match=said):
            client.create(pod("b"))
    assert len(api.requests) == 4


def test_the_wait_for_a_busy_server_ends_with_the_client(scripted: Callable[[Answer], Scripted]) -> None:
    busy = b"HTTP/1.1 429 Too Many\r\nRetry-After: 100000\r\nContent-Length: 0\r\n\r\n"
    server = scripted(lambda _: busy)
    client, refused = Client(Credentials(server=server.url)), threading.Event()

    def ask() -> None:
        with pytest.raises(TooManyRequests):
            client.create(pod("a"))
        refused.set()

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: server.requests)
    client.close()
    thread.join(4)
    assert refused.is_set()
    assert len(server.requests) == 1


def test_a_name_cannot_break_out_of_its_request(scripted: Callable[[Answer], Scripted]) -> None:
    server = scripted(ok)
    client = Client(Credentials(server=server.url))
    client.get(Pod, "a HTTP/1.1\r\nX-Evil: ü#", "default")
    client.close()
    (request,) = server.requests
    first, *headers = request.split(b"\r\n")
    assert first == b"GET /api/v1/namespaces/default/pods/a%20HTTP/1.1%0D%0AX-Evil:%20%C3%BC%23 HTTP/1.1"
    assert not [line for line in headers if b"Evil" in line]


def test_requests_are_told_to_an_observer(api: ApiServer) -> None:
    told: list[tuple[str, str, str]] = []

    class Observer(RequestObserver):
        def requested(self, method: str, host: str, code: str, took_s: float) -> None:
            assert took_s >= 0
            told.append((method, host, code))

    client = Client(Credentials(server=api.url), observer=Observer())
    client.create(pod("a"))
    api.close()
    with pytest.raises(Unreachable):
        client.get(Pod, "a", "default")
    client.close()
    host = api.url.removeprefix("http://")
    assert told == [("POST", host, "200"), ("GET", host, "<error>")] or told == [("POST", host, "200")]


STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"


def test_a_stream_that_falls_silent_is_broken(scripted: Callable[[Answer], Scripted]) -> None:
    transport = Transport(Credentials(server=scripted(lambda _: STREAM).url))
    pieces = transport.stream("/", silence_s=0.2).chunks()
    assert next(pieces) == b"one"
    with pytest.raises(Unreachable, match="nothing has come for too long"):
        next(pieces)
    transport.close()


def test_a_silent_stream_holds_no_buffer(scripted: Callable[[Answer], Scripted]) -> None:
    server, other = scripted(lambda _: STREAM), scripted(ok)
    transport = Transport(Credentials(server=server.url))
    taken: list[bytes] = []
    tracemalloc.start()
    try:
        stream = transport.stream("/", silence_s=None)
        reader = threading.Thread(target=lambda: taken.extend(_until_it_breaks(stream)))
        reader.start()
        until(lambda: server.requests)
        # Meanwhile the reader comes to wait.
        get(other, 20)
        held = [trace.size for trace in tracemalloc.take_snapshot().traces if "connection.py" in str(trace.traceback)]
        assert max(held) < 16384
    finally:
        tracemalloc.stop()
        stream.shutdown()
        reader.join(10)
        transport.close()
    assert taken == [b"one"]


def _until_it_breaks(stream: Stream) -> Iterator[bytes]:
    try:
        yield from stream.chunks()
    except Unreachable:
        return


def test_a_name_in_ascii_needs_no_tables_for_others(scripted: Callable[[Answer], Scripted]) -> None:
    server = scripted(ok).url.replace("127.0.0.1", "localhost")
    code = (
        "import sys\nfrom api.core import Pod\nfrom client import Client, Credentials\n"
        f"Client(Credentials(server={server!r})).get(Pod, 'a', 'default')\nprint('encodings.idna' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
