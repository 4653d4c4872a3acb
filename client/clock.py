"""The clock for what must not be mistaken about its own absence."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


def boot_time() -> float:
    """Seconds that no setting of the clock and no sleep of the machine changes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
