"""The bounded past from which a watch is replayed.

Every write takes exactly one revision, so the changes held are the revisions `floor + 1 ...` without a hole.
"""

from collections import deque
from itertools import islice

from master.store.contract import Change, Compacted, FutureRevision


def _size(change: Change) -> int:
    return len(change.value or b"") + len(change.previous or b"")


class History:
    """A ring of changes, bounded by count and by bytes, beginning at the revision given."""

    def __init__(self, revision: int, *, changes_max: int, bytes_max: int) -> None:
        self.floor = revision
        self._changes: deque[Change] = deque()
        self._changes_max = changes_max
        self._bytes_max = bytes_max
        self._bytes = 0

    @property
    def revision(self) -> int:
        """The revision of the last change held, or of the beginning."""
        return self.floor + len(self._changes)

    def append(self, change: Change) -> None:
        """Hold one more change, the one after `revision`; forget the oldest beyond the bounds."""
        self._changes.append(change)
        self._bytes += _size(change)
        while self._changes and self._over():
            self._bytes -= _size(self._changes.popleft())
            self.floor += 1

    def _over(self) -> bool:
        return len(self._changes) > self._changes_max or self._bytes > self._bytes_max

    def since(self, revision: int, prefix: str) -> list[Change]:
        """The changes above `revision` under `prefix`. Raises Compacted, FutureRevision."""
        if revision < self.floor:
            raise Compacted(self.floor)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        later = islice(self._changes, revision - self.floor, None)
        return [change for change in later if change.key.startswith(prefix)]
