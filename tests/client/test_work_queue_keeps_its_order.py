"""The work queue: once while queued, once more after a change, delays and back-off."""

import threading
from collections import Counter

import pytest

from client import WorkQueue

LIMIT_S = 10.0


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(base_s=1.0, cap_s=10.0, clock=clock)


def ready(queue: WorkQueue[str]) -> list[str]:
    found: list[str] = []
    while (key := queue.get(timeout_s=0)) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_a_key_is_queued_once_however_often_it_is_added(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "a", "b"):
        queue.add(key)
    assert len(queue) == 2
    assert ready(queue) == ["a", "b"]


def test_a_key_added_while_it_is_busy_comes_once_more(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.get(timeout_s=0) == "a"
    queue.add("a")
    queue.add("a")
    assert queue.get(timeout_s=0) is None, "not twice at a time"
    queue.done("a")
    assert ready(queue) == ["a"]


def test_a_delayed_key_comes_when_it_is_due(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("late", 5)
    queue.add_after("soon", 2)
    queue.add_after("now", 0)
    assert ready(queue) == ["now"]
    clock.now_s += 2
    assert ready(queue) == ["soon"]
    clock.now_s += 2.9
    assert ready(queue) == []
    clock.now_s += 0.1
    assert ready(queue) == ["late"]


def test_of_several_delays_the_earliest_counts(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 8)
    clock.now_s += 2
    assert ready(queue) == ["a"]
    clock.now_s += 100
    assert ready(queue) == []


def test_a_key_that_becomes_due_while_it_is_busy_comes_afterwards(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    assert queue.get(timeout_s=0) == "a"
    queue.add_after("a", 1)
    clock.now_s += 1
    assert queue.get(timeout_s=0) is None
    queue.done("a")
    assert ready(queue) == ["a"]


def test_back_off_doubles_up_to_its_cap_and_is_forgotten(queue: WorkQueue[str], clock: Clock) -> None:
    delays: list[float] = []
    for _ in range(6):
        delays.append(queue.retry("a"))
        clock.now_s += delays[-1]
        assert ready(queue) == ["a"]
    assert delays == [1, 2, 4, 8, 10, 10]
    assert queue.retry("b") == 1, "each key has its own"
    queue.forget("a")
    queue.forget("unknown")
    assert queue.retry("a") == 1


def test_a_thousand_failures_do_not_overflow(queue: WorkQueue[str]) -> None:
    assert max(queue.retry("a") for _ in range(2000)) == 10


def test_get_gives_up_in_time(queue: WorkQueue[str]) -> None:
    assert WorkQueue[str]().get(timeout_s=0.01) is None


def test_close_wakes_all_waiters_and_hands_out_what_is_ready() -> None:
    queue: WorkQueue[str] = WorkQueue()
    got: list[str | None] = []
    threads = [threading.Thread(target=lambda: got.append(queue.get())) for _ in range(3)]
    for thread in threads:
        thread.start()
    queue.add("a")
    queue.add_after("never", 60)
    queue.close()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert sorted(got, key=str) == [None, None, "a"]
    queue.add("b")
    queue.add_after("b", 0.001)
    assert queue.get(timeout_s=0.01) is None, "nothing is taken in any more"


def test_each_key_is_handled_by_one_worker_at_a_time_and_no_change_is_missed() -> None:
    queue: WorkQueue[int] = WorkQueue()
    wanted = Counter[int]()
    seen: dict[int, int] = {}
    busy: set[int] = set()
    overlaps: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        while (key := queue.get()) is not None:
            with lock:
                if key in busy:
                    overlaps.append(key)
                busy.add(key)
                now = wanted[key]
            with lock:
                busy.discard(key)
                seen[key] = now
            queue.done(key)

    def add() -> None:
        for number in range(2000):
            with lock:
                wanted[number % 7] += 1
            queue.add(number % 7)

    workers = [threading.Thread(target=work) for _ in range(4)]
    adders = [threading.Thread(target=add) for _ in range(3)]
    for thread in (*workers, *adders):
        thread.start()
    for thread in adders:
        thread.join(LIMIT_S)
    queue.close()
    for thread in workers:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert overlaps == []
    assert all(seen[key] > 0 for key in range(7))


def test_the_last_change_is_always_handled() -> None:
    queue: WorkQueue[str] = WorkQueue()
    handled = threading.Event()
    value, seen = 0, -1

    def work() -> None:
        nonlocal seen
        while (key := queue.get()) is not None:
            seen = value
            queue.done(key)
            if seen == 5000:
                handled.set()

    worker = threading.Thread(target=work)
    worker.start()
    for number in range(1, 5001):
        value = number
        queue.add("a")
    assert handled.wait(LIMIT_S)
    queue.close()
    worker.join(LIMIT_S)


def test_a_due_key_does_not_wait_for_a_busy_worker() -> None:
    """The worker that watched the time takes a key and is held up; another one must then watch the time."""
    queue: WorkQueue[str] = WorkQueue()
    second_came = threading.Event()
    in_time: list[bool] = []

    def work() -> None:
        while (key := queue.get()) is not None:
            if key == "first":
                in_time.append(second_came.wait(2))
            else:
                second_came.set()
            queue.done(key)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    queue.add_after("first", 0.02)
    queue.add_after("second", 0.06)
    assert second_came.wait(LIMIT_S)
    queue.close()
    for worker in workers:
        worker.join(LIMIT_S)
    assert in_time == [True]
