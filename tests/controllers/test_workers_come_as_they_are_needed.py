"""A thread that nothing needs is never begun: most controllers have one worker for life."""

import threading

import pytest

from master.controllers.loop import Key, Loop
from master.writers import Writers

LIMIT_S = 60.0


class Held:
    """Does nothing until let go, and tells how many are at it."""

    def __init__(self) -> None:
        self.begun, self.going = threading.Semaphore(0), threading.Event()

    def __call__(self, *_key: Key) -> str:
        self.begun.release()
        self.going.wait(LIMIT_S)
        return ""

    def are_at_it(self, count: int) -> bool:
        return all(self.begun.acquire(timeout=LIMIT_S) for _ in range(count))


def threads_of(name: str) -> int:
    return sum(thread.name.startswith(f"{name}-") for thread in threading.enumerate())


def test_a_second_worker_comes_for_a_key_that_waits_and_no_third() -> None:
    held = Held()
    loop = Loop("boats", held, workers=2)
    loop.start()
    try:
        assert threads_of("boats") == 1
        loop.queue.add(("default", "a"))
        assert held.are_at_it(1)
        assert threads_of("boats") == 1
        for name in "bcd":
            loop.queue.add(("default", name))
        assert held.are_at_it(1)
        assert threads_of("boats") == 2
    finally:
        held.going.set()
        loop.stop()
    assert threads_of("boats") == 0


def test_keys_from_before_the_start_have_all_workers() -> None:
    held = Held()
    loop = Loop("ships", held, workers=3)
    for name in "abcd":
        loop.queue.add(("default", name))
    loop.start()
    try:
        assert held.are_at_it(3)
        assert threads_of("ships") == 3
    finally:
        held.going.set()
        loop.stop()


def test_keys_one_after_the_other_need_one_worker() -> None:
    done = threading.Semaphore(0)

    def reconcile(_key: Key) -> str:
        done.release()
        return ""

    loop = Loop("rafts", reconcile, workers=4)
    loop.start()
    try:
        for number in range(20):
            while len(loop.queue) or loop.queue._busy:
                threading.Event().wait(0.001)
            loop.queue.add(("default", str(number)))
            assert done.acquire(timeout=LIMIT_S)
        assert threads_of("rafts") == 1
    finally:
        loop.stop()


def test_writers_begin_with_what_waits_for_them() -> None:
    held, writers = Held(), Writers(3, "quills")
    assert threads_of("quills") == 0
    writers.put(held)
    assert held.are_at_it(1)
    assert threads_of("quills") == 1
    for _ in range(5):
        writers.put(held)
    assert held.are_at_it(2)
    assert threads_of("quills") == 3
    held.going.set()
    writers.stop()
    assert held.are_at_it(3), "what was queued is still called"
    assert threads_of("quills") == 0
    with pytest.raises(RuntimeError, match="end"):
        writers.put(lambda: None)


def test_a_write_that_breaks_ends_no_writer(caplog: pytest.LogCaptureFixture) -> None:
    writers, came = Writers(1, "pens"), threading.Event()
    writers.put(lambda: [][0])
    writers.put(came.set)
    assert came.wait(LIMIT_S)
    writers.stop()
    assert "write broke" in caplog.text
