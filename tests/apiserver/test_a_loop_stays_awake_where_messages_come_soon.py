"""The event loop looks again for a moment after a short wait, and sleeps at once after a long one."""

import os
import selectors

import pytest

from master.apiserver import awake
from master.apiserver.awake import SOON_S, AwakeSelector
from master.apiserver.main import _new_loop

READY = [(selectors.SelectorKey(0, 0, selectors.EVENT_READ, None), selectors.EVENT_READ)]


class Waits:
    """In place of the kernel's: each wait that may take time ends as it is told; looks find something when told to."""

    def __init__(self, *takes_s: float) -> None:
        self._takes_s = list(takes_s)
        self.now = 0.0
        self.asked: list[float | None] = []
        self.looks_find = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.asked.append(timeout)
        if timeout == 0:
            self.now += SOON_S / 2
            return READY if self.looks_find else []
        self.now += self._takes_s.pop(0)
        return READY


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits(SOON_S / 4, 1.0, 1.0)
    monkeypatch.setattr(selectors.EpollSelector, "select", lambda _self, timeout=None: waits.select(timeout))
    monkeypatch.setattr(awake.time, "monotonic", lambda: waits.now)
    return waits


def test_it_looks_for_a_moment_after_a_short_wait_and_sleeps_at_once_after_a_long_one(waits: Waits) -> None:
    selector = AwakeSelector()
    assert all(selector.select() for _ in range(3))
    assert waits.asked == [None, 0, 0, None, None]


def test_what_comes_while_it_is_awake_keeps_it_awake(waits: Waits) -> None:
    selector = AwakeSelector()
    selector.select(5)
    waits.looks_find = True
    assert selector.select(5)
    assert selector.select(5)
    assert waits.asked == [5, 0, 0]


def test_a_look_without_a_wait_says_nothing_of_the_next_one(waits: Waits) -> None:
    selector = AwakeSelector()
    selector.select(0)
    selector.select()
    selector.select(0)
    selector.select(None)
    assert waits.asked == [0, None, 0, 0, 0, None]


def test_the_server_waits_so() -> None:
    loop = _new_loop()
    readable, written = os.pipe()
    try:
        seen: list[bytes] = []
        loop.add_reader(readable, lambda: (seen.append(os.read(readable, 9)), loop.stop()))
        for word in (b"one", b"two"):
            os.write(written, word)
            loop.run_forever()
        assert seen == [b"one", b"two"]
        assert isinstance(loop._selector, AwakeSelector)  # type: ignore[attr-defined]
    finally:
        loop.close()
        os.close(readable)
        os.close(written)
