"""The port for health and metrics answers, costs nothing while nobody asks, and little whoever asks."""

import errno
import http.client
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from client import httpport
from client.httpport import Answer, HttpPort, by_path

LIMIT_S = 60.0
NAME = "port-under-test"
LARGE = bytes(8 << 20)


def broken() -> Answer:
    raise RuntimeError("no figures")


ROUTES = {
    "/healthz": lambda: Answer(HTTPStatus.OK, b"ok"),
    "/sick": lambda: Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"{}", "application/json", {"X-Why": "tired"}),
    "/large": lambda: Answer(HTTPStatus.OK, LARGE),
    "/broken": broken,
}


@pytest.fixture
def port() -> Iterator[int]:
    served = HttpPort("127.0.0.1", 0, by_path(ROUTES), name=NAME)
    served.start()
    yield served.port
    served.stop()
    assert NAME not in [thread.name for thread in threading.enumerate()]


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def raw(port: int, *pieces: bytes) -> bytes:
    """All that comes back until the port closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as client:
        for piece in pieces:
            client.sendall(piece)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_each_path_gets_its_answer(port: int) -> None:
    answer, body = ask(port, "/healthz?verbose")
    assert (answer.status, answer.getheader("Content-Type"), body) == (200, "text/plain; charset=utf-8", b"ok")
    answer, body = ask(port, "/sick")
    assert (answer.status, answer.getheader("X-Why"), body) == (503, "tired", b"{}")
    assert answer.getheader("Content-Type") == "application/json"
    assert ask(port, "/large")[1] == LARGE
    answer, body = ask(port, "/elsewhere")
    assert (answer.status, body) == (404, b"known: /healthz, /sick, /large, /broken\n")


def test_head_gives_the_length_alone(port: int) -> None:
    answer, body = ask(port, "/healthz", "HEAD")
    assert (answer.status, answer.getheader("Content-Length"), body) == (200, "2", b"")


def test_what_changes_something_is_no_method_here(port: int) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer, _ = ask(port, "/healthz", method, bytes(5000) if method == "POST" else None)
        assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.0\n\n", 200),
        (b"GET http://node:10256/healthz HTTP/1.1\r\nHost: node\r\n\r\n", 200),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET healthz HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + bytes(httpport.HEAD_LIMIT_BYTES), 431),
    ],
)
def test_a_request_is_taken_by_its_first_line_and_its_length(port: int, request_bytes: bytes, status: int) -> None:
    assert raw(port, request_bytes).startswith(f"HTTP/1.1 {status} ".encode())
    assert raw(port, *(bytes((one,)) for one in request_bytes[:40]), request_bytes[40:]).split()[1] == b"%d" % status


def test_a_broken_answer_is_500_and_the_port_goes_on(port: int, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(port, "/broken")[0].status == 500
    assert "no figures" in caplog.text
    assert ask(port, "/healthz")[1] == b"ok"


def test_it_sleeps_while_nobody_asks(port: int) -> None:
    """Voluntary switches of its thread are how often it slept and woke."""
    assert ask(port, "/healthz")[1] == b"ok"
    (thread,) = (each for each in threading.enumerate() if each.name == NAME)
    status = Path(f"/proc/self/task/{thread.native_id}/status")

    def waits() -> int:
        found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    for _ in range(20):  # the answer before may still be ending
        before = waits()
        time.sleep(1.6)  # three looks, if it looked twice a second
        if waits() == before:
            return
    pytest.fail("it wakes again and again")


def test_who_says_too_little_for_too_long_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpport, "CLIENT_LIMIT_S", 0.3)
    assert raw(port, b"GET /healthz HTTP/1.1\r\n") == b""
    with socket.socket() as lazy, socket.socket() as idle:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for client in (lazy, idle):
            client.settimeout(LIMIT_S)
            client.connect(("127.0.0.1", port))
        lazy.sendall(b"GET /large HTTP/1.1\r\n\r\n")  # and takes nothing of it
        assert idle.recv(1) == b""  # then who came before it is cut as well
        assert sum(map(len, iter(lambda: lazy.recv(1 << 20), b""))) < len(LARGE)


def test_many_who_say_nothing_keep_nobody_out(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) for _ in range(httpport.CLIENTS + 3)]
    try:
        assert ask(port, "/healthz")[1] == b"ok"
        assert [one.recv(1) for one in idle[:3]] == [b"", b"", b""]
    finally:
        for one in idle:
            one.close()


def test_out_of_descriptors_it_rests_and_then_answers_who_waited(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, tries, exhausted = socket.socket.accept, [0], True

    def failing(sock: socket.socket) -> tuple[socket.socket, Any]:
        tries[0] += 1
        if exhausted:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", failing)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    connection.request("GET", "/healthz")
    time.sleep(0.5)
    assert 1 <= tries[0] <= 10  # without a rest it would be thousands
    exhausted = False
    assert connection.getresponse().read() == b"ok"
    connection.close()


def test_a_taken_address_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"Address already in use: '127.0.0.1:{number}'") as failed:
            HttpPort("127.0.0.1", number, by_path(ROUTES), name=NAME)
        assert failed.value.strerror == "Address already in use"


def test_one_that_never_started_gives_its_port_back() -> None:
    never = HttpPort("127.0.0.1", 0, by_path(ROUTES), name=NAME)
    number = never.port
    never.stop()
    socket.create_server(("127.0.0.1", number)).close()


def test_it_brings_no_tls_and_no_mail_along() -> None:
    heavy = "import sys, client.httpport; print({'ssl', 'email', 'http.client', 'socketserver'} & {*sys.modules})"
    assert run((sys.executable, "-c", heavy), check=True, capture_output=True, text=True).stdout == "set()\n"
