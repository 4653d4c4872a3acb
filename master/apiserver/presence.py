"""Which components are there: those that have a watch open.

A component that ends, in whatever way, takes its connections with it; so this needs no heartbeat and no clock.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Presence:
    """Open watches by the name of the user."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def watching(self, user: str) -> Iterator[None]:
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]

    def watches(self, user: str) -> int:
        return self._open[user]
