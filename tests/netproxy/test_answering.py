"""An HTTP port of netproxy sleeps while nobody asks."""

from __future__ import annotations

import http.client
import http.server
import re
import threading
import time
from pathlib import Path

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


def _waits() -> int:
    (thread,) = (each for each in threading.enumerate() if each.name == "test-answering")
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found[1])
