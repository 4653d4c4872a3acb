"""A loop whose time is told by the test, for what waits in it."""

from __future__ import annotations

from collections.abc import Callable

from netproxy.dataplane.loop import Loop


class Clock(Loop):
    """A loop whose time is told by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, action: Callable[[], None]) -> None:
        self.timers.append((when, action))

    def go_to(self, now: float) -> None:
        """What a loop does when it is as late as that."""
        self.now = now
        due = [action for when, action in self.timers if when <= now]
        self.timers = [(when, action) for when, action in self.timers if when > now]
        for action in due:
            action()
