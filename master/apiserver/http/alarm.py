"""One lazy timer a connection, so that most requests touch no timer at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` when the time that `due` names has passed; a deadline that moves later costs nothing."""

    __slots__ = ("_due", "_handle", "_loop", "_ring")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, due: Callable[[], float | None], ring: Callable[[], None]
    ) -> None:
        """`due` answers in the loop's time, None for never."""
        self._loop = loop
        self._due = due
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """The deadline may have changed: make sure the timer fires no later than it."""
        due = self._due()
        if due is None or (self._handle is not None and self._handle.when() <= due):
            return
        self.stop()
        self._handle = self._loop.call_at(due, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        due = self._due()
        if due is not None and due <= self._loop.time():
            self._ring()
        self.watch()
