"""A daemon that answers everything but for one container, whose description never comes."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cadvisor_lite.config import Config
from cadvisor_lite.docker_watch import DockerWatch
from cadvisor_lite.monitor import Monitor
from tests.e2e.waiting import until

STUCK, WELL = "1f" * 32, "2e" * 32


class Daemon:
    """Just enough of Docker on a Unix socket; time is what must be controlled here."""

    def __init__(self, path: Path) -> None:
        recorded = json.loads((Path(__file__).parent / "recorded/containers.json").read_text())
        self._documents = {document["Id"]: document for document in recorded}
        self.freed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="daemon", daemon=True).start()

    def close(self) -> None:
        self.freed.set()
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._answer, args=(client,), name="daemon-call", daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            path = client.recv(65536).split(b" ")[1].decode()
            if path.startswith("/events"):
                client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                return
            if STUCK in path:
                self.freed.wait()
            body: Any = {"Version": "20.10"}
            if path == "/containers/json":
                body = [{"Id": STUCK}, {"Id": WELL}]
            elif path.startswith("/containers/"):
                body = self._documents[path.split("/")[2]]
            data = json.dumps(body).encode()
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "docker.sock")
    yield made
    made.close()


def test_the_others_are_followed_and_it_is_caught_up_with(
    daemon: Daemon, recorded: Path, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    monitor = Monitor(make_config(recorded))
    watch = DockerWatch(f"unix://{tmp_path / 'docker.sock'}", monitor)
    watch.start()
    try:
        until(watch.connected.is_set, limit_s=30, what="the watch")
        assert list(monitor.ids()) == [WELL]
        assert watch.failures == 0
        daemon.freed.set()
        until(lambda: STUCK in monitor.ids(), limit_s=60, what="the one that was stuck")
    finally:
        watch.stop()
        monitor.stop()
