"""Those who wait equally long, and one timer of the loop for all of them: most are answered long before it fires."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from netproxy.dataplane.loop import Loop


class Waiting(Protocol):
    """Who waits for something."""

    def waits_for(self, what: object) -> bool:
        """Whether it still does."""

    def in_vain(self, what: object) -> None:
        """It has not come in time."""


FIRST_WORDS_S = 0.001
"""What a client may take to speak before an endpoint is asked: what it says then goes with the connection."""
DIAL_TIMEOUTS_S = (0.25, 0.5, 1.0, 2.0)
"""Patience for each attempt; kube-proxy's own steps, the last one repeats."""


class Line:
    """A line in which all stand for the same time, so that they leave it in the order in which they came."""

    __slots__ = ("_line", "_looks", "_loop", "wait_s")

    def __init__(self, loop: Loop, wait_s: float) -> None:
        self.wait_s = wait_s
        self._loop = loop
        self._line: deque[tuple[float, Waiting, object]] = deque()
        self._looks = False
        """Whether a timer will look at it."""

    def join(self, waiting: Waiting, what: object) -> None:
        """Tell it when this time has passed and it still waits."""
        self._line.append((self._loop.now + self.wait_s, waiting, what))
        if not self._looks:
            self._look_at(self._line[0][0])

    def _look_at(self, when: float) -> None:
        self._looks = True
        self._loop.at(when, self._look)

    def _look(self) -> None:
        """Let go of all who need not wait any more, and look again when the first of the others has waited enough."""
        line = self._line
        try:
            while line:
                until, waiting, what = line[0]
                still = waiting.waits_for(what)
                if still and until > self._loop.now:
                    break
                line.popleft()
                if still:
                    waiting.in_vain(what)
        finally:
            self._looks = False
            if line:
                self._look_at(line[0][0])


class Waits:
    """The lines in which the flows of one loop stand."""

    __slots__ = ("_dials", "first_words")

    def __init__(self, loop: Loop) -> None:
        self.first_words = Line(loop, FIRST_WORDS_S)
        self._dials = [Line(loop, wait_s) for wait_s in DIAL_TIMEOUTS_S]

    def dial(self, attempt: int) -> Line:
        """Where this attempt waits for an endpoint's answer."""
        return self._dials[min(attempt, len(self._dials) - 1)]
