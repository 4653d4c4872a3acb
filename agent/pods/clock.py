"""The host's clock, which may be put forward or back while pods run, at any moment.

The rule: a wait that this agent has begun lasts as long as it was meant to. Moments in the future that are kept (when
to kill, when to try again) are moved with the clock; moments that others told (Docker, the API) are not. So what is
kept is kept beside the reading that it was counted from, and is moved to the reading that it is compared with.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Less than this is a clock that is being corrected, as NTP does all the time.
_STEP_S = 1.0


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the clock; ``steady_s`` is of the same moment, and nobody can put it."""

    now: datetime
    steady_s: float

    def step_to(self, later: "Reading") -> timedelta:
        """How far the clock was put forward between the two (back: less than nothing); mostly nothing."""
        step_s = (later.now - self.now).total_seconds() - (later.steady_s - self.steady_s)
        return timedelta() if abs(step_s) < _STEP_S else timedelta(seconds=step_s)


def read() -> Reading:
    return Reading(now(), time.monotonic())
