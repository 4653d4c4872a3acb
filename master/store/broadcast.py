"""Hands committed changes to those who follow them.

The rule: a follower never delays a commit. A subscription has a bounded queue and is dropped when it is
full; a listener is called at once and whatever it raises is logged, since the commit is already durable.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import count

from master.store.contract import Change, SlowWatcher, StoreClosed, StoreError

log = logging.getLogger(__name__)

Listener = Callable[[list[Change]], None]


class QueuedSubscription:
    """The Subscription of the contract: what is replayed, then a bounded queue of live changes."""

    def __init__(
        self, prefix: str, replay: list[Change], *, queue_max: int, on_end: Callable[["QueuedSubscription"], None]
    ) -> None:
        self.prefix = prefix
        # The replay is apart from the live queue: it is bounded by the history, and whoever asks for a
        # long one must not be dropped as slow before the first read.
        self._replay = deque(replay)
        self._live: deque[Change] = deque()
        self._queue_max = queue_max
        self._on_end = on_end
        self._end: StoreError | None = None
        self._ready = asyncio.Event()
        if replay:
            self._ready.set()

    def offer(self, changes: list[Change]) -> None:
        """Queue live changes, or drop this subscription when they do not fit."""
        if len(self._live) + len(changes) > self._queue_max:
            self._forget()
            self.end(SlowWatcher(f"watch of {self.prefix} fell {self._queue_max} changes behind: list again"))
            return
        self._live.extend(changes)
        self._ready.set()

    def end(self, reason: StoreError) -> None:
        """Let the reader have what is queued, then `reason`."""
        if self._end is not None:
            return
        self._end = reason
        self._ready.set()
        self._on_end(self)

    def close(self) -> None:
        self._forget()
        self.end(StoreClosed(f"watch of {self.prefix} is closed"))

    def _forget(self) -> None:
        self._replay.clear()
        self._live.clear()

    async def get(self, limit: int = 500) -> list[Change]:
        if limit < 1:
            raise ValueError(f"limit: must be at least 1, not {limit}")
        while True:
            await self._ready.wait()
            batch = self._take(limit)
            if batch:
                return batch
            if self._end is not None:
                raise self._end

    def _take(self, limit: int) -> list[Change]:
        queue = self._replay or self._live
        batch = [queue.popleft() for _ in range(min(limit, len(queue)))]
        if not self._replay and not self._live and self._end is None:
            self._ready.clear()
        return batch

    def __aiter__(self) -> AsyncIterator[list[Change]]:
        return self

    async def __anext__(self) -> list[Change]:
        try:
            return await self.get()
        except StoreClosed:
            raise StopAsyncIteration from None


class Broadcast:
    """All followers of one store."""

    def __init__(self, *, queue_max: int) -> None:
        self._queue_max = queue_max
        # By number, since the same function may listen twice; a dict keeps the order.
        self._listeners: dict[int, Listener] = {}
        self._numbers = count()
        self._by_prefix: dict[str, set[QueuedSubscription]] = {}

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every commit until the returned function is called."""
        number = next(self._numbers)
        self._listeners[number] = listener

        def end() -> None:
            self._listeners.pop(number, None)

        return end

    def watch(self, prefix: str, replay: list[Change]) -> QueuedSubscription:
        """Start a subscription: `replay` first, then what is published from now on."""
        subscription = QueuedSubscription(prefix, replay, queue_max=self._queue_max, on_end=self._remove)
        self._by_prefix.setdefault(prefix, set()).add(subscription)
        return subscription

    def publish(self, changes: list[Change]) -> None:
        """Hand one commit to all followers: listeners first, they keep the cache."""
        for listener in tuple(self._listeners.values()):
            try:
                listener(changes)
            except Exception:  # the commit is durable; its writers must be answered
                log.exception("store listener failed revision=%d", changes[-1].revision)
        for prefix, subscriptions in tuple(self._by_prefix.items()):
            wanted = [change for change in changes if change.key.startswith(prefix)]
            if wanted:
                for subscription in tuple(subscriptions):
                    subscription.offer(wanted)

    def close(self) -> None:
        """End every subscription; each still hands out what it has queued."""
        for subscriptions in tuple(self._by_prefix.values()):
            for subscription in tuple(subscriptions):
                subscription.end(StoreClosed("the store is closed"))
        self._listeners.clear()

    def _remove(self, subscription: QueuedSubscription) -> None:
        group = self._by_prefix.get(subscription.prefix, set())
        group.discard(subscription)
        if not group:
            self._by_prefix.pop(subscription.prefix, None)
