"""The bounded past from which a watch is replayed.

Changes come in revision order. Their revisions need not be dense: a backend whose counter orders other things
too leaves holes, so `floor` is the revision up to which changes may have been forgotten.
"""

from collections import deque

from master.store.contract import Change, Compacted, FutureRevision


def _size(change: Change) -> int:
    return len(change.value or b"") + len(change.previous or b"")


class History:
    """A ring of changes, bounded by count and by bytes, beginning at the revision given."""

    def __init__(self, revision: int, *, changes_max: int, bytes_max: int) -> None:
        self.floor = revision
        self.revision = revision
        self._changes: deque[Change] = deque()
        self._changes_max = changes_max
        self._bytes_max = bytes_max
        self._bytes = 0

    def append(self, change: Change) -> None:
        """Hold one more change, not below `revision`; forget the oldest beyond the bounds."""
        self._changes.append(change)
        self.revision = max(self.revision, change.revision)
        self._bytes += _size(change)
        while self._changes and (len(self._changes) > self._changes_max or self._bytes > self._bytes_max):
            forgotten = self._changes.popleft()
            self._bytes -= _size(forgotten)
            self.floor = forgotten.revision

    def advance(self, revision: int) -> None:
        """Know that up to `revision` nothing else was changed."""
        self.revision = max(self.revision, revision)

    def restart(self, revision: int) -> None:
        """Forget all: what happened up to `revision` is not known one by one."""
        self._changes.clear()
        self._bytes = 0
        self.floor = self.revision = revision

    def since(self, revision: int, prefix: str) -> list[Change]:
        """The changes above `revision` under `prefix`. Raises Compacted, FutureRevision."""
        if revision < self.floor:
            raise Compacted(self.floor)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        found = []
        for change in reversed(self._changes):
            if change.revision <= revision:
                break
            if change.key.startswith(prefix):
                found.append(change)
        found.reverse()
        return found
