"""The event loop contains what goes wrong in it."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from netproxy.dataplane import loop as loops
from netproxy.dataplane.loop import SOON_S, Loop
from netproxy.dataplane.plane import NICE, DataPlane
from tests.e2e.waiting import until
from tests.netproxy.servers import LIMIT_S


class Polls:
    """In place of the kernel's: answers as it is told, each answer after its time, and notes how long it may wait."""

    def __init__(self, *answers: tuple[float, bool]) -> None:
        self._answers = list(answers)
        self.now = 0.0
        self.waits: list[float] = []

    def poll(self, timeout: float, _count: int) -> list[tuple[int, int]]:
        self.waits.append(timeout)
        if not timeout:
            self.now += SOON_S / 2
            return []
        takes, ready = self._answers.pop(0)
        self.now += takes
        return [(0, 0)] if ready else []

    def close(self) -> None:
        pass


class Clumsy:
    """A handler that always raises."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.gave_up = threading.Event()

    def on_event(self, _mask: int) -> None:
        raise ValueError("clumsy")

    def on_fault(self) -> None:
        self.gave_up.set()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A running loop."""
    loop = Loop()
    thread = threading.Thread(target=loop.run, name="test-loop")
    thread.start()
    yield loop
    loop.stop()
    thread.join(LIMIT_S)
    loop.release()
    assert not thread.is_alive()


def test_a_handler_that_raises_gives_up_and_the_loop_goes_on(loop: Loop) -> None:
    ours, other = socket.socketpair()
    with ours, other:
        clumsy = Clumsy(ours)
        other.send(b"x")
        loop.submit(lambda: loop.add(clumsy))
        assert clumsy.gave_up.wait(LIMIT_S)
        done = threading.Event()
        loop.submit(done.set)
        assert done.wait(LIMIT_S)
        assert loop.faults > 0


def test_a_command_or_timer_that_raises_does_not_stop_others(loop: Loop) -> None:
    def fail() -> None:
        raise ValueError("failed")

    done = threading.Event()
    loop.submit(fail)
    loop.submit(lambda: loop.at(loop.now, fail))
    loop.submit(lambda: loop.at(loop.now, done.set))
    assert done.wait(LIMIT_S)
    assert loop.faults == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise a priority")
def test_the_thread_for_connections_goes_before_others_and_nobody_else_does(plane: DataPlane) -> None:
    until(lambda: os.getpriority(os.PRIO_PROCESS, plane._thread.native_id or 0) <= NICE)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) > NICE


def test_timers_fire_in_the_order_of_their_times(loop: Loop) -> None:
    fired: queue.Queue[int] = queue.Queue()

    def plan() -> None:
        for number in (3, 1, 2):
            loop.at(loop.now + number / 100, lambda number=number: fired.put(number))  # type: ignore[misc]

    loop.submit(plan)
    assert [fired.get(timeout=LIMIT_S) for _ in range(3)] == [1, 2, 3]


def test_a_socket_closed_in_a_batch_keeps_its_number_until_the_batch_is_over(loop: Loop) -> None:
    numbers: queue.Queue[bool] = queue.Queue()
    ours, other = socket.socketpair()

    class Closer:
        def __init__(self) -> None:
            self.sock = ours
            self.fd = ours.fileno()

        def on_event(self, _mask: int) -> None:
            loop.close(ours)
            with socket.socket() as fresh:
                numbers.put(fresh.fileno() != self.fd)

        def on_fault(self) -> None:
            numbers.put(False)

    with other:
        other.send(b"x")
        loop.submit(lambda: loop.add(Closer()))
        assert numbers.get(timeout=LIMIT_S)


def test_a_socket_that_was_never_added_is_closed_whatever_its_number() -> None:
    loop = Loop()
    high = len(loop._handlers) + 100
    with socket.socket() as made:
        os.dup2(made.fileno(), high)
    sock = socket.socket(fileno=high)
    loop.close(sock)
    loop._bury()
    assert sock.fileno() < 0
    loop.release()


def test_after_a_short_wait_the_loop_stays_awake_for_a_moment_and_after_a_long_one_it_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    polls = Polls((SOON_S / 4, True), (1.0, True), (1.0, True))
    loop = Loop()
    loop._epoll.close()
    monkeypatch.setattr(loop, "_epoll", polls)
    monkeypatch.setattr(loops.time, "monotonic", lambda: polls.now)
    for _ in range(3):
        assert loop._events()
    assert polls.waits == [-1.0, 0, 0, -1.0, -1.0]
    loop.release()
