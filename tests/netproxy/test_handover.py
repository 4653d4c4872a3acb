"""Ports stay open over a restart when a parent keeps the sockets, as systemd does: nobody is refused in between."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netproxy.handover import FIRST_FD, Handover, from_environment
from netproxy.services import Protocol
from tests.e2e.waiting import until
from tests.netproxy.networks import Site
from tests.netproxy.servers import LIMIT_S, Server, naming, read_all

SERVICES = """
kind: List
items:
- {{kind: Service, metadata: {{name: web}}, spec: {{type: NodePort, ports: [{{port: 80, nodePort: {node_port}}}]}}}}
- kind: EndpointSlice
  metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
  addressType: IPv4
  ports: [{{port: {port}}}]
  endpoints: [{{addresses: [127.0.0.1]}}]
"""
# What systemd does between fork and exec: the descriptors come first, and are meant for this very process.
CHILD = "LISTEN_PID=$$ exec {python} -c '{program}' {folder}"
PROGRAM = (
    "import sys, threading; from pathlib import Path; from netproxy.config import Config;"
    "from netproxy.main import run;"
    'folder = Path(sys.argv[1]); run(Config(services=folder / "services.yaml", chain_prefix="STT", healthz_port=0,'
    ' state_file=folder / "state.json", node_port_range=""), threading.Event())'
)


class Keeper:
    """Plays systemd: takes the sockets that its child sends, and gives them to the next child."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.kept: dict[str, int] = {}
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(self.path)
        self._channel.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="test-keeper")
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                data, descriptors, _flags, _from = socket.recv_fds(self._channel, 4096, 4)
                told = dict(line.split("=", 1) for line in data.decode().splitlines())
                if told.get("FDSTORE") == "1":
                    self.kept[told["FDNAME"]] = descriptors[0]
                elif told.get("FDSTOREREMOVE") == "1":
                    os.close(self.kept.pop(told["FDNAME"]))

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """A child with all that is kept."""
        descriptors = list(self.kept.values())
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "NOTIFY_SOCKET": self.path}
        if descriptors:
            environment |= {"LISTEN_FDS": str(len(descriptors)), "LISTEN_FDNAMES": ":".join(self.kept)}
        # First out of the way of the numbers they have and those they are to have, then there.
        above = max(descriptors, default=0) + FIRST_FD
        high = [f"{above + number}<&{fd}" for number, fd in enumerate(descriptors)]
        low = [f"{FIRST_FD + number}<&{above + number}" for number in range(len(descriptors))]
        closed = [f"{above + number}<&-" for number in range(len(descriptors))]
        redirects = f"exec {' '.join(high + low + closed)}; " if descriptors else ""
        script = redirects + CHILD.format(python=sys.executable, program=PROGRAM, folder=folder)
        return subprocess.Popen(["bash", "-c", script], env=environment, pass_fds=descriptors)

    def close(self) -> None:
        self._over.set()
        self._thread.join(LIMIT_S)
        self._channel.close()
        for descriptor in self.kept.values():
            os.close(descriptor)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "notify")
    yield keeper
    keeper.close()


@contextlib.contextmanager
def running(keeper: Keeper, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = keeper.start(folder)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)


@pytest.mark.netns
def test_a_client_that_comes_while_it_is_down_is_served_by_the_next(
    place: Site, keeper: Keeper, tmp_path: Path
) -> None:
    with place.node.inside():
        server = Server(naming(b"a"))
        (tmp_path / "services.yaml").write_text(SERVICES.format(node_port=30080, port=server.endpoint[1]))
        try:
            with running(keeper, tmp_path):
                until(lambda: _ask(30080) == b"a", limit_s=60)
                until(lambda: "netproxy-tcp-30080" in keeper.kept)
            with socket.create_connection(("127.0.0.1", 30080), timeout=60) as early, running(keeper, tmp_path):
                assert read_all(early) == b"a"
                assert _ask(30080) == b"a"
                (tmp_path / "services.yaml").write_text("kind: List\n")
                until(lambda: _ask(30080) == b"", limit_s=60)
                until(lambda: "netproxy-tcp-30080" not in keeper.kept)
        finally:
            server.close()


def _ask(port: int) -> bytes:
    """Empty when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock:
            return read_all(sock)
    except OSError:
        return b""


def test_what_is_meant_for_another_process_is_left_alone() -> None:
    environment = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1", "NOTIFY_SOCKET": ""}
    handover = from_environment(environment)
    assert "LISTEN_FDS" not in environment
    with handover.open(Protocol.TCP, 0, exactly=False) as sock:
        assert sock.getsockname()[1]


def test_what_nobody_wants_is_closed_and_what_is_not_ours_too() -> None:
    listening, bound = socket.create_server(("127.0.0.1", 0)), socket.socket()
    number = listening.getsockname()[1]
    handover = Handover([listening, bound])
    assert bound.fileno() == -1
    handover.settle()
    assert listening.fileno() == -1
    with handover.open(Protocol.TCP, number, exactly=True) as sock:
        assert sock.getsockname()[1] == number
