"""Writers of one object that name no version: the first tries at once, those it overtakes wait for their turn.

A change is made to the version it was computed from. Of many at one moment one goes through and the others find the
object changed; were they all to try again at once, each round would again end for all but one, and the last would have
to give up. In a queue for each object everyone is through after his predecessors, and who comes later goes behind.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from api.errors import Timeout

T = TypeVar("T")

LIMIT_S = 34.0
"""As long as a request may take in Kubernetes."""

_LATE = "Timeout: request did not complete within requested timeout - context deadline exceeded"


class Overtaken(Exception):
    """Another write came between: compute the change again."""


class Turns:
    """The queues, of the objects that have one."""

    def __init__(self, *, limit_s: float = LIMIT_S) -> None:
        self._last: dict[str, asyncio.Future[None]] = {}
        self._limit_s = limit_s

    async def take(self, key: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What ``attempt`` returns, once it is not Overtaken. Raises what it raises, and Timeout."""
        if key not in self._last:
            try:
                return await attempt()
            except Overtaken:
                pass
        return await self._queued(key, attempt)

    async def _queued(self, key: str, attempt: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limit_s
        before = self._last.get(key)
        mine = self._last[key] = loop.create_future()
        try:
            if before is not None:
                await asyncio.wait([before], timeout=self._limit_s)
            while loop.time() < end:
                try:
                    return await attempt()
                except Overtaken:
                    continue
            raise Timeout(_LATE)
        finally:
            if self._last[key] is mine:
                del self._last[key]
            mine.set_result(None)
