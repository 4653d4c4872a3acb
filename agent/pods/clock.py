"""The host's clock, which may be put forward or back while pods run.

The rule: a wait that this agent has begun lasts as long as it was meant to. Moments in the future that are kept (when
to kill, when to try again) are moved with the clock; moments that others told (Docker, the API) are not.
"""

import time
from datetime import UTC, datetime, timedelta

# Less than this is a clock that is being corrected, as NTP does all the time.
_STEP_S = 1.0


def now() -> datetime:
    return datetime.now(UTC)


class ClockSteps:
    """Notices steps. Not thread-safe."""

    def __init__(self) -> None:
        self._offset_s = _offset_s()

    def since_last(self) -> timedelta:
        """How far the clock was put forward since the last question (back: less than nothing); mostly nothing."""
        step_s = _offset_s() - self._offset_s
        if abs(step_s) < _STEP_S:
            return timedelta()
        self._offset_s += step_s
        return timedelta(seconds=step_s)


def _offset_s() -> float:
    return now().timestamp() - time.monotonic()
