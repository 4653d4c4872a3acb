"""How long sessions wait, and the clock of one session."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """ping_s: between signs of life. idle_s: a session without data for so long is ended."""

    ping_s: float = 10.0
    idle_s: float = 4 * 3600.0
    setup_s: float = 30.0
    farewell_s: float = 5.0


class Clock:
    """When the next ping is due, and whether a session has been idle for too long."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._active = self._pinged = time.monotonic()

    def note_activity(self) -> None:
        self._active = time.monotonic()

    def left_s(self) -> float:
        """Until something is due."""
        now = time.monotonic()
        return max(0.0, min(self._pinged + self._timing.ping_s, self._active + self._timing.idle_s) - now)

    def is_idle(self) -> bool:
        return time.monotonic() - self._active >= self._timing.idle_s

    def ping_is_due(self) -> bool:
        """True once per period."""
        now = time.monotonic()
        if now - self._pinged < self._timing.ping_s:
            return False
        self._pinged = now
        return True
