"""The queue of waiting pods, on a clock of the test."""

from collections.abc import Callable

import pytest

from master.scheduler.change import Change
from master.scheduler.queueing import Entry, SchedulingQueue


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> SchedulingQueue:
    return SchedulingQueue(clock=clock)


def add(queue: SchedulingQueue, name: str, priority: int = 0) -> None:
    queue.add(("default", name), f"uid-{name}", priority)


def taken(queue: SchedulingQueue) -> Entry:
    entry = queue.get(0)
    assert entry is not None
    return entry


def names(queue: SchedulingQueue) -> list[str]:
    found = []
    while (entry := queue.get(0)) is not None:
        found.append(entry.key[1])
    return found


def test_the_most_important_comes_first_then_the_oldest(queue: SchedulingQueue, clock: Clock) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", -3), ("d", 5), ("e", 0)):
        add(queue, name, priority)
        clock.now_s += 1
    assert names(queue) == ["b", "d", "a", "e", "c"]


def test_a_pod_is_handed_out_once(queue: SchedulingQueue) -> None:
    add(queue, "a")
    add(queue, "a")
    entry = taken(queue)
    assert queue.get(0) is None
    queue.end(entry)
    assert len(queue) == 0
    assert queue.get(0) is None


def test_a_refused_pod_comes_again_when_what_may_help_it_happens(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "a")
    queue.refused(taken(queue), Change.POD_GONE | Change.NODE)
    clock.now_s += 60
    queue.happened(Change.VOLUME)
    assert names(queue) == []
    queue.happened(Change.NODE)
    assert names(queue) == ["a"]


def test_backing_off_begins_at_one_second_and_doubles_up_to_ten(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "a")
    for expected_s in (1, 2, 4, 8, 10, 10):
        queue.refused(taken(queue), Change.NODE)
        queue.happened(Change.NODE)
        clock.now_s += expected_s - 0.01
        assert queue.get(0) is None
        clock.now_s += 0.02
    assert taken(queue).attempts == 7


def test_a_failed_pod_comes_again_after_its_back_off(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "a")
    assert queue.failed(taken(queue)) == 1
    assert queue.get(0) is None
    clock.now_s += 1
    assert queue.failed(taken(queue)) == 2


def test_what_happens_while_a_pod_is_looked_at_is_not_missed(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "a")
    entry = taken(queue)
    queue.happened(Change.NODE)
    queue.refused(entry, Change.NODE)
    clock.now_s += 1
    entry = taken(queue)
    queue.happened(Change.VOLUME)
    queue.refused(entry, Change.NODE)
    clock.now_s += 10
    assert queue.get(0) is None


@pytest.mark.parametrize(
    "end", [lambda queue, entry: queue.refused(entry, Change.NODE), lambda queue, entry: queue.failed(entry)]
)
def test_a_pod_that_was_removed_while_it_was_looked_at_stays_away(
    queue: SchedulingQueue, clock: Clock, end: Callable[[SchedulingQueue, Entry], None]
) -> None:
    add(queue, "a")
    entry = taken(queue)
    queue.remove(entry.key)
    end(queue, entry)
    queue.happened(Change.NODE)
    clock.now_s += 600
    assert queue.get(0) is None
    assert len(queue) == 0


def test_a_new_pod_of_the_same_name_takes_the_place_of_the_old_one(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "a")
    old = taken(queue)
    queue.add(("default", "a"), "another", 0)
    queue.failed(old)
    queue.end(old)
    assert taken(queue).uid == "another"
    clock.now_s += 60
    assert queue.get(0) is None


@pytest.mark.parametrize("looked_at", [False, True])
def test_a_pod_whose_spec_changed_is_looked_at_again_at_once(queue: SchedulingQueue, looked_at: bool) -> None:
    add(queue, "a")
    entry = taken(queue)
    if looked_at:
        add(queue, "a")
        queue.refused(entry, Change.NODE)
    else:
        queue.refused(entry, Change.NODE)
        add(queue, "a")
    assert names(queue) == ["a"]


def test_pods_set_aside_for_long_are_looked_at_all_the_same(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "a")
    queue.refused(taken(queue), Change.NODE)
    clock.now_s += 290
    assert queue.get(0) is None
    clock.now_s += 40
    assert names(queue) == ["a"]


def test_an_important_pod_that_comes_back_goes_before_the_others(queue: SchedulingQueue, clock: Clock) -> None:
    add(queue, "vital", 10)
    queue.refused(taken(queue), Change.NODE)
    add(queue, "b")
    clock.now_s += 5
    queue.happened(Change.NODE)
    assert names(queue) == ["vital", "b"]


def test_a_closed_queue_gives_nothing(queue: SchedulingQueue) -> None:
    add(queue, "a")
    queue.close()
    assert queue.get() is None
