"""Calls: objects in, objects out, errors by their reason."""

import socket
import threading
from collections.abc import Iterator

import pytest

from api.core import Pod
from api.errors import AlreadyExists, ApiError, Conflict, Forbidden, NotFound
from api.meta import ObjectMeta
from client import Client, Credentials, Unreachable
from client.transport import RequestObserver, Stream, Transport
from tests.client.api_server import ApiServer


def pod(name: str) -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="default"))


class Canned:
    """A server that answers every connection with the same bytes, and closes it."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.served = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                self.served += 1
                connection.sendall(self._answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def canned() -> Iterator[list[Canned]]:
    made: list[Canned] = []
    yield made
    for server in made:
        server.close()


def test_what_was_made_is_read_back(client: Client) -> None:
    client.create(pod("a"))
    with pytest.raises(AlreadyExists):
        client.create(pod("a"))
    assert client.get(Pod, "a", "default").metadata.name == "a"
    listing = client.list(Pod, "default")
    assert [item.kind for item in listing.items] == ["Pod"]
    assert int(listing.resource_version) > 0
    changed = client.patch(Pod, "a", "default", {"metadata": {"labels": {"x": "y"}}}, form="merge")
    assert changed.metadata.labels == {"x": "y"}


def test_refusals_are_raised_by_reason(api: ApiServer, client: Client) -> None:
    api.refusals = [Conflict("changed meanwhile"), Forbidden("no")]
    with pytest.raises(Conflict, match="changed meanwhile"):
        client.update(pod("a"))
    with pytest.raises(Forbidden):
        client.delete(Pod, "a", "default")
    with pytest.raises(NotFound):
        client.patch(Pod, "none", "default", {})
    api.refusals = [Forbidden("no")]
    with pytest.raises(Forbidden):
        client.watch(Pod, resource_version="1")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Unreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", Unreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Unreachable),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"metadata": 5}', Unreachable),
        (b"nonsense\r\n\r\n", Unreachable),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", ApiError),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops", ApiError),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", ApiError),
    ],
)
def test_odd_answers_are_told_apart(canned: list[Canned], answer: bytes, error: type[Exception]) -> None:
    server = Canned(answer)
    canned.append(server)
    client = Client(Credentials(server=server.url))
    try:
        with pytest.raises(error):
            client.get(Pod, "a", "default")
        with pytest.raises(error):
            list(client.watch(Pod, resource_version="1"))
    finally:
        client.close()


def test_only_a_read_is_tried_twice(canned: list[Canned]) -> None:
    server = Canned(b"")
    canned.append(server)
    client = Client(Credentials(server=server.url))
    with pytest.raises(Unreachable):
        client.create(pod("a"))
    assert server.served == 1
    with pytest.raises(Unreachable):
        client.get(Pod, "a", "default")
    assert server.served == 3
    client.close()


def test_the_proxy_of_the_environment_is_not_asked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    client.create(pod("a"))


def test_one_client_serves_many_threads(client: Client) -> None:
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                client.create(pod(f"p{number}-{step}"))
                client.get(Pod, f"p{number}-{step}", "default")
        except Exception as error:  # noqa: BLE001 (told below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert failures == []
    assert len(client.list(Pod, "default").items) == 80


class Pieces(Stream):
    """A stream of given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def chunks(self) -> Iterator[bytes]:
        yield from self.pieces


def test_lines_are_put_together_from_pieces() -> None:
    assert list(Pieces(b"a", b"b\nc", b"\n", b"\n", b"de\nf").lines()) == [b"ab", b"c", b"", b"de", b"f"]


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(Unreachable, match="a line of more than"):
        list(Pieces(*(b"x" * 2**20 for _ in range(17))).lines())


class Heard(RequestObserver):
    """What the server warned of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warned(self, text: str) -> None:
        self.warnings.append(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('299 - "plain"', ["plain"]),
        ('299 - "say \\"a\\\\b\\""', ['say "a\\b"']),
        ('299 - "\u00fcber"', ["\u00fcber"]),
        ('199 - "of the network"', []),
        ("299", []),
        ('299 - "no end', []),
    ],
)
def test_warnings_of_the_server_are_heard(canned: list[Canned], header: str, expected: list[str]) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nWarning: {header}\r\n\r\n{{}}"
    canned.append(Canned(head.encode()))
    heard = Heard()
    transport = Transport(Credentials(server=canned[0].url), observer=heard)
    assert transport.request("GET", "/") == b"{}"
    assert heard.warnings == expected
    transport.close()
