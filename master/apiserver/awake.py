"""How the event loop waits: where the last message came soon, it stays awake for the next one."""

import os
import selectors
import time

SOON_S = 100e-6
"""After a wait shorter than this the loop looks again for so long before it sleeps. To send a processor to sleep and to
wake it takes about as long, which a client with one connection pays for each request; its next one comes after 10 to 80
microseconds. Waits are longer where there is little to do, and then it sleeps at once."""


class AwakeSelector(selectors.EpollSelector):
    """For one event loop."""

    _soon = False
    """Whether the last wait was short."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As its base; a wait may take longer by ``SOON_S``."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        until = time.monotonic() + SOON_S
        events = (self._soon and self._look(until)) or super().select(timeout)
        self._soon = time.monotonic() < until
        return events

    def _look(self, until: float) -> list[tuple[selectors.SelectorKey, int]]:
        """What gets ready by then, without sleeping; others who can run on this processor do."""
        while time.monotonic() < until:
            if events := super().select(0):
                return events
            os.sched_yield()
        return []
