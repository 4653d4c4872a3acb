"""Which events are worth telling: what one object tells too often is gathered, and in the end left out.

The rules and figures are those of client-go (tools/record/events_cache.go), which clusters are used to: ten similar
events (all but the message is the same) within ten minutes become one; one object may have 25 events at once, and then
one in five minutes.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

SIMILAR_MAX, SIMILAR_S = 10, 600.0
BURST, REFILL_S = 25.0, 300.0
COMBINED = "(combined from similar events): "
REMEMBERED = 4096
K = TypeVar("K")
V = TypeVar("V")
Group = tuple[str, ...]


class Recent(Generic[K, V]):
    """The last so many values; what was not asked for the longest goes first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


class Correlator:
    """Not safe to share between threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._similar: Recent[Group, tuple[float, dict[str, None]]] = Recent()
        self._spent: Recent[Group, tuple[float, float]] = Recent()

    def admits(self, about: Group) -> bool:
        """Whether the object may have one more event now. Call it once for each."""
        now = self._clock()
        tokens, since = self._spent.get(about) or (BURST, now)
        tokens = min(BURST, tokens + (now - since) / REFILL_S)
        admitted = tokens >= 1
        self._spent.put(about, (tokens - 1 if admitted else tokens, now))
        return admitted

    def gathers(self, group: Group, message: str) -> bool:
        """Whether this message of a group of similar events is to be told as one of many."""
        now = self._clock()
        last, messages = self._similar.get(group) or (now, {})
        if now - last > SIMILAR_S:
            messages = {}
        messages[message] = None
        gathered = len(messages) >= SIMILAR_MAX
        if gathered:
            messages.pop(next(iter(messages)))
        self._similar.put(group, (now, messages))
        return gathered
