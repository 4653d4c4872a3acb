"""What every backend holds in memory: the committed records, the recent past and those who follow.

The rule: a commit is visible in the records before anyone hears of it, and listeners hear before watches. The
backend calls `commit` when the changes are durable, in revision order, and answers its writers afterwards.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from master.store.broadcast import Broadcast, QueuedSubscription
from master.store.contract import Change, Record
from master.store.history import History
from master.store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How much past is held for replays, how far a watch may fall behind, how large a value may be."""

    history_changes: int = 10_000
    history_bytes: int = 64 * 1024 * 1024
    watch_queue: int = 2_000
    value_bytes_max: int = 8 * 1024 * 1024

    def check_positive(self, *more: str) -> None:
        """Raise ValueError naming the first field, of these and `more`, that is not above 0."""
        for name in ("history_changes", "history_bytes", "watch_queue", "value_bytes_max", *more):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0, not {getattr(self, name)}")


class State:
    """The committed state as of `revision`."""

    def __init__(self, bounds: Bounds, records: Iterable[Record], revision: int) -> None:
        self.records = Records(records)
        self.broadcast = Broadcast(queue_max=bounds.watch_queue)
        self._history = History(revision, changes_max=bounds.history_changes, bytes_max=bounds.history_bytes)

    @property
    def revision(self) -> int:
        return self._history.revision

    def watch(self, prefix: str, since: int | None) -> QueuedSubscription:
        """As the contract's watch. Raises Compacted, FutureRevision."""
        replay = [] if since is None else self._history.since(since, prefix)
        return self.broadcast.watch(prefix, replay)

    def subscribe(self, callback: Callable[[list[Change]], None]) -> Callable[[], None]:
        return self.broadcast.listen(callback)

    def commit(self, changes: list[Change], revision: int) -> None:
        """Take over durable changes in revision order, the last not above `revision`, and tell of them."""
        for change in changes:
            self.records.apply(change)
            self._history.append(change)
        self._tell(changes, revision)

    def catch_up(self, changes: list[Change], revision: int) -> None:
        """Take over the difference to a state whose way here is not known: a watch cannot start before it."""
        for change in changes:
            self.records.apply(change)
        self._history.restart(max(revision, self.revision))
        self._tell(changes, revision)

    def _tell(self, changes: list[Change], revision: int) -> None:
        self._history.advance(revision)
        if changes:
            self.broadcast.publish(changes)
