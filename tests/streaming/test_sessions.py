"""Sessions over real sockets, with a process that is the other end of a socket pair."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from agent.server.streaming import websocket
from agent.server.streaming.forward_session import ForwardSession
from agent.server.streaming.netns import NetworkNamespace
from agent.server.streaming.process import success
from agent.server.streaming.process_session import ProcessSession
from agent.server.streaming.remote_command import WebSocketCaller
from agent.server.streaming.spdy_forwarder import SpdyForwarder
from agent.server.streaming.timing import Timing
from agent.server.streaming.wire import HIGH_WATER_BYTES, Wire
from api.meta import Status
from tests.e2e.waiting import until
from tests.streaming.test_protocols import SpdyClient, client_frame

QUICK = Timing(ping_s=0.05, idle_s=0.4, setup_s=0.3, farewell_s=0.2)
CALM = Timing(farewell_s=0.2)


@dataclass
class PairedProcess:
    """`far` is the process's end of its streams."""

    tty: bool = True
    ends_with_input: bool = True
    near: socket.socket = field(init=False)
    far: socket.socket = field(init=False)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    abandoned: bool = False
    lost: bool = False

    def __post_init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.far.settimeout(5)

    def open(self) -> tuple[socket.socket, bytes]:
        return self.near, b"first "

    def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    def is_lost(self) -> bool:
        return self.lost

    def outcome(self) -> Status:
        return success()

    def abandon(self) -> None:
        self.abandoned = True


@dataclass
class Running:
    """A session in a thread, and its client's end."""

    client: socket.socket
    process: PairedProcess
    thread: threading.Thread

    def leave(self) -> None:
        """Close the client's end; the session must end by it."""
        self.client.close()
        until(self.ended, limit_s=5)

    def ended(self) -> bool:
        self.thread.join(0.01)
        return not self.thread.is_alive()


@pytest.fixture
def process() -> Iterator[PairedProcess]:
    made = PairedProcess()
    yield made
    made.near.close()
    made.far.close()


def start(process: PairedProcess, timing: Timing) -> Running:
    near, client = socket.socketpair()
    client.settimeout(5)
    session = ProcessSession(WebSocketCaller("v5.channel.k8s.io"), process, timing)

    def run() -> None:
        with near:
            session.run(Wire(near))

    thread = threading.Thread(target=run, name="test-session", daemon=True)
    thread.start()
    return Running(client, process, thread)


def received(running: Running, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        data = running.client.recv(65536)
        assert data, seen
        seen += data
    return seen


def sent_until_full(connection: socket.socket, data: bytes) -> int:
    """Bytes that the connection took before it took no more for its timeout."""
    sent = 0
    while True:
        try:
            sent += connection.send(data)
        except TimeoutError:
            return sent


def test_output_and_the_result_arrive_and_then_the_end(process: PairedProcess) -> None:
    running = start(process, CALM)
    process.far.sendall(b"out")
    process.far.close()
    seen = received(running, websocket.close(1000))
    assert b"first " in seen
    assert b"out" in seen
    assert b'"Success"' in seen
    running.leave()
    assert not process.abandoned


def test_the_end_of_the_input_reaches_the_process_and_its_output_still_comes(process: PairedProcess) -> None:
    running = start(process, CALM)
    running.client.sendall(client_frame(2, b"\x00question") + client_frame(2, bytes((255, 0))))
    assert process.far.recv(100) == b"question"
    assert process.far.recv(100) == b""
    process.far.sendall(b"answer")
    received(running, b"answer")
    running.leave()


def test_the_end_of_the_input_is_kept_from_a_process_whose_own_stays_open(process: PairedProcess) -> None:
    process.ends_with_input = False
    running = start(process, CALM)
    running.client.sendall(client_frame(2, b"\x00question") + client_frame(2, bytes((255, 0))))
    assert process.far.recv(100) == b"question"
    process.far.sendall(b"answer")
    received(running, b"answer")
    process.far.settimeout(0.2)
    with pytest.raises(TimeoutError):
        process.far.recv(100)
    running.leave()


def test_a_client_that_leaves_ends_the_session_even_while_the_process_reads_nothing(process: PairedProcess) -> None:
    running = start(process, CALM)
    received(running, b"first ")
    running.client.settimeout(0.2)
    frame = client_frame(2, b"\x00" + bytes(100_000))
    assert sent_until_full(running.client, frame) > 0
    running.leave()
    assert process.abandoned


def test_a_client_that_reads_nothing_holds_the_process_back(process: PairedProcess) -> None:
    running = start(process, CALM)
    process.far.settimeout(0.3)
    sent = sent_until_full(process.far, bytes(65536))
    assert sent < 20 * HIGH_WATER_BYTES
    running.leave()


def test_streams_of_a_process_that_has_ended_and_that_nobody_closes_are_not_waited_for(process: PairedProcess) -> None:
    process.lost = True
    running = start(process, Timing(ping_s=0.05, farewell_s=0.2))
    assert b"the container has ended" in received(running, websocket.close(1000))
    running.leave()
    assert not process.abandoned


def test_signs_of_life_go_out_and_idleness_ends(process: PairedProcess) -> None:
    running = start(process, QUICK)
    received(running, websocket.ping())
    until(running.ended, limit_s=5)
    assert process.abandoned
    running.client.close()


def test_the_terminals_size_is_set(process: PairedProcess) -> None:
    running = start(process, CALM)
    running.client.sendall(client_frame(2, b'\x04{"Width":80,"Height":24}'))
    until(lambda: process.sizes, limit_s=5)
    assert process.sizes == [(80, 24)]
    running.leave()


def test_a_client_that_breaks_the_protocol_is_told_and_ended(process: PairedProcess) -> None:
    running = start(process, CALM)
    running.client.sendall(b"\x82\x01a")
    assert b"masked" in received(running, b"masked")
    until(running.ended, limit_s=5)
    assert process.abandoned
    running.client.close()


@pytest.mark.netns
def test_a_forwarded_connection_that_waits_for_its_server_holds_up_no_other() -> None:
    with socket.socket() as listening, socket.socket() as taken:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(5)
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        near, client = socket.socketpair()
        client.settimeout(5)
        session = ForwardSession(SpdyForwarder(), lambda: NetworkNamespace(threading.get_native_id()), CALM)
        thread = threading.Thread(target=lambda: session.run(Wire(near)), name="test-session", daemon=True)
        thread.start()
        spdy = SpdyClient()
        refused, good = taken.getsockname()[1], listening.getsockname()[1]
        with client:
            client.sendall(spdy.open(1, streamtype="data", port=str(refused), requestid="0"))
            client.sendall(spdy.open(3, streamtype="data", port=str(good), requestid="1"))
            server, _ = listening.accept()
            with server:
                server.sendall(b"still here")
                seen = b""
                while b"still here" not in seen:
                    seen += client.recv(4096)
        thread.join(5)
        assert not thread.is_alive()
        near.close()
