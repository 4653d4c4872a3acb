"""What these tests share: an apiserver in a process of its own, so that its memory can be measured, and a client that
looks at every answer.

The rule that every answer must keep: it comes in time, it is no 5xx, its body is what its Content-Type says, and a
refusal is a Status whose code is the one of the answer.
"""

import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.e2e.waiting import until

HANG_S = 5.0
"""No request takes longer: a detector of hangs on a busy machine, no test of speed."""
START_S = 60.0

_PROGRAM = """
import logging, os, signal, sys, threading
from pathlib import Path
from master.apiserver.config import Config
from master.apiserver.main import run
logging.basicConfig(level=logging.INFO)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
# The tests hold the other end: when they are killed, so is this.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
settings = eval(sys.argv[1])
run(Config(**settings), stop)
"""
# A too large resource version is Kubernetes' own 504, by which clients know to try again.
_TOO_LARGE = 504
_LOGGED = re.compile(r"Traceback|handler failed|answer failed|Exception in callback|never retrieved|response refused")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Answer:
    """One answer, whole."""

    status: int
    headers: dict[str, str]
    data: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    def check(self, told: object = "") -> "Answer":
        """Fails the test unless the answer keeps the rule; returns itself."""
        assert self.seconds < HANG_S, (f"{self.seconds:.1f} s", told)
        assert self.status < 500 or self.status == _TOO_LARGE, (self.status, self.data[:500], told)
        if self.headers.get("content-encoding") == "gzip":
            self.data = gzip.decompress(self.data)
        if isinstance(told, tuple) and told[0] == "HEAD":
            return self
        body = self._read(told)
        if self.status >= 400:
            assert isinstance(body, dict), (self.status, self.data[:200], told)
            assert (body.get("kind"), body.get("status")) == ("Status", "Failure"), (body, told)
            assert body["code"] == self.status, (body, told)
            assert body["reason"], (body, told)
            assert body["message"], (body, told)
        return self

    def _read(self, told: object) -> Any:
        media = self.headers.get("content-type", "").partition(";")[0]
        match media:
            case "application/json":
                return json.loads(self.data) if self.data else None
            case "application/yaml":
                return yaml.safe_load(self.data)
            case "application/vnd.kubernetes.protobuf":
                assert self.data.startswith(b"k8s\0"), told
                return {"kind": "Status", "status": "Failure", "code": self.status, "reason": "?", "message": "?"}
            case _:
                assert self.status < 400, (media, self.data[:200], told)
                return None


@dataclass
class Client:
    """One kept connection to the plain port; a connection that dies under a request fails the test."""

    port: int
    _connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A call whose answer is checked. Bodies that are not bytes are sent as JSON."""
        return self.raw_call(method, path, body, **headers).check((method, path[:200], str(body)[:600]))

    def raw_call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S * 1.6)
        started = time.monotonic()
        self._connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in sent.items():
            self._connection.putheader(name, value)
        if data is not None:
            self._connection.putheader("Content-Length", str(len(data)))
        self._connection.endheaders(data)
        answer = self._connection.getresponse()
        read = answer.read()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, read, time.monotonic() - started)
        if answer.will_close:
            self.close()
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, form: str) -> Answer:
        return self.call("PATCH", path, body, Content_Type=f"application/{form}+json")


@dataclass
class Server:
    """One apiserver process."""

    settings: dict[str, Any]
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        root = Path(__file__).parents[2]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"from pathlib import PosixPath\n{_PROGRAM}", repr(self.settings)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=root,
                env=os.environ | {"PYTHONPATH": str(root)},
            )
        try:
            until(self._ready, limit_s=START_S, what="the apiserver")
        except BaseException:
            self.kill()
            raise

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        client = Client(self.port)
        try:
            return client.raw_call("GET", "/readyz").status == 200
        except OSError:
            return False
        finally:
            client.close()

    @property
    def port(self) -> int:
        port: int = self.settings["insecure_port"]
        return port

    @property
    def rss_bytes(self) -> int:
        size: int = psutil.Process(self.process.pid).memory_info().rss
        return size

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=HANG_S * 1.6)

    def complaints(self) -> list[str]:
        """Lines of the log that no request should cause."""
        return [line for line in self.log.read_text().splitlines() if _LOGGED.search(line)]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        if self.process.stdin is not None:
            self.process.stdin.close()

    def stop(self) -> None:
        """Ends cleanly, and in time."""
        if self.process.poll() is None:
            self.terminate()
        try:
            self.process.wait(20)
        finally:
            self.kill()


def read_reply(sock: socket.socket) -> Answer:
    """The answer that comes on a raw socket, to a request that was sent by hand."""
    started = time.monotonic()
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    data = answer.read()
    return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data, time.monotonic() - started)


def events(sock: socket.socket) -> Iterator[Any]:
    """The events of a watch that was asked for on a raw socket."""
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    assert answer.status == 200, answer.read()
    while line := answer.readline():
        yield json.loads(line)
