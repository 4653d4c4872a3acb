"""An HTTP port of netproxy sleeps while nobody asks."""

from __future__ import annotations

import errno
import http.client
import http.server
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from netproxy.answering import HttpPort
from tests.netproxy.servers import LIMIT_S


class Hello(http.server.BaseHTTPRequestHandler):
    """Says hello."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None: ...


def test_it_answers_sleeps_and_stops_at_once() -> None:
    port = HttpPort(("127.0.0.1", 0), Hello, "test-answering")
    port.start()
    connection = http.client.HTTPConnection("127.0.0.1", port.port, timeout=LIMIT_S)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    connection.close()
    before = _waits()
    time.sleep(1.6)  # three looks, if it looked twice a second
    assert _waits() <= before + 1
    port.stop()
    assert "test-answering" not in [thread.name for thread in threading.enumerate()]


def test_out_of_descriptors_it_rests_and_then_answers_who_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    accept, tries, exhausted = socket.socket.accept, [0], True

    def failing(sock: socket.socket) -> tuple[socket.socket, Any]:
        tries[0] += 1
        if exhausted:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", failing)
    port = HttpPort(("127.0.0.1", 0), Hello, "test-answering")
    port.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port.port, timeout=LIMIT_S)
        connection.request("GET", "/")
        time.sleep(0.5)
        assert 1 <= tries[0] <= 10  # without a rest it would be thousands
        exhausted = False
        assert connection.getresponse().read() == b"hello"
        connection.close()
    finally:
        port.stop()


def _waits() -> int:
    (thread,) = (each for each in threading.enumerate() if each.name == "test-answering")
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found[1])
