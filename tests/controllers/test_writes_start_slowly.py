"""Slow start: batches that double, and none after one that failed."""

import threading
from collections.abc import Iterator

import pytest

from api.errors import Forbidden
from client import Unreachable
from master.controllers.slowstart import slow_start
from master.writers import Writers


@pytest.fixture
def writers() -> Iterator[Writers]:
    made = Writers(8, "test")
    yield made
    made.stop()


class Writes:
    """Counts, and fails from one on."""

    def __init__(self, fails_from: int = 10**9, error: Exception | None = None) -> None:
        self.count, self._fails_from, self._error = 0, fails_from, error or Forbidden("exceeded quota")
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.count += 1
            number = self.count
        if number >= self._fails_from:
            raise self._error


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 500])
def test_all_are_written(writers: Writers, count: int) -> None:
    write = Writes()
    slow_start(count, write, writers)
    assert write.count == count


@pytest.mark.parametrize(("fails_from", "written"), [(1, 1), (2, 3), (3, 3), (4, 7), (9, 15)])
def test_the_batch_that_fails_is_the_last(writers: Writers, fails_from: int, written: int) -> None:
    write = Writes(fails_from)
    with pytest.raises(Forbidden):
        slow_start(500, write, writers)
    assert write.count == written


def test_a_fault_of_the_program_is_told_first(writers: Writers) -> None:
    raised = iter([None, Forbidden("no"), KeyError("fault")])

    def write() -> None:
        error = next(raised)
        if error is not None:
            raise error

    with pytest.raises(KeyError):
        slow_start(3, write, writers)


def test_writes_of_a_batch_are_under_way_together(writers: Writers) -> None:
    meet = threading.Barrier(4)
    numbers = iter(range(100))

    def write() -> None:
        if next(numbers) >= 3:
            meet.wait(10)

    slow_start(7, write, writers)


def test_writers_that_end_leave_no_fault() -> None:
    writers, busy, going = Writers(1, "test"), threading.Event(), threading.Event()
    numbers = iter(range(100))

    def write() -> None:
        if next(numbers) == 1:
            busy.set()
            going.wait(10)

    def end() -> None:
        busy.wait(10)
        writers.stop(timeout_s=0)
        going.set()

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(Unreachable, match="the controllers end"):
        slow_start(7, write, writers)
    ending.join(10)
    with pytest.raises(Unreachable, match="no more is written"):
        slow_start(7, write, writers)
