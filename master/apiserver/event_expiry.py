"""Lets events go an hour after their last write, so that the store does not grow with the history of the cluster.

It follows the table of events, so that a round looks only at what is over; events are kept in the order of their
writes.
"""

import asyncio
import logging
import time
from collections import OrderedDict

from api.core import Event as ClusterEvent
from api.errors import ApiError
from api.resources import resource_of
from master.apiserver.cache import Event, Item
from master.apiserver.registry import Registry

log = logging.getLogger(__name__)

_AT_ONCE = 200


class EventExpiry:
    """The writes of events and the task that ends their time."""

    def __init__(self, registry: Registry, *, ttl_s: float, round_s: float) -> None:
        self._registry = registry
        self._ttl_s = ttl_s
        self._round_s = round_s
        self._written: OrderedDict[str, float] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what is stored; an event of before the start counts from its last sighting."""
        table = self._registry.cache.table(resource_of(ClusterEvent))
        found = sorted((_last_seen(item), item.key) for item in table.items())
        self._written = OrderedDict((key, seen) for seen, key in found)
        table.followers.add(self)
        self._task = asyncio.get_running_loop().create_task(self._rounds(), name="event expiry")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    def offer(self, events: list[Event]) -> None:
        for event in events:
            if event.after is not None:
                self._written[event.after.key] = time.time()
                self._written.move_to_end(event.after.key)
            elif event.before is not None:
                self._written.pop(event.before.key, None)

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(self._round_s)
            try:
                await self.expire(time.time())
            except Exception:  # one failed round must not end the clearing for good
                log.exception("event expiry failed")

    async def expire(self, now: float) -> int:
        """Deletes what is over; returns how many there were."""
        over: list[str] = []
        for key, written in self._written.items():
            if written > now - self._ttl_s:
                break
            over.append(key)
        for start in range(0, len(over), _AT_ONCE):
            await asyncio.gather(*(self._delete(key) for key in over[start : start + _AT_ONCE]))
        return len(over)

    async def _delete(self, key: str) -> None:
        item = self._registry.cache.table(resource_of(ClusterEvent)).by_key(key)
        if item is None:
            self._written.pop(key, None)
            return
        try:
            await self._registry.delete(item)
        except ApiError as error:
            log.debug("event not expired key=%s error=%s", key, error)


def _last_seen(item: Item) -> float:
    event = item.decode()
    assert isinstance(event, ClusterEvent)
    series = event.series.last_observed_time if event.series is not None else None
    seen = series or event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return seen.timestamp() if seen is not None else 0.0
