"""What a store is: the one page that every backend keeps and every user may rely on.

A store maps keys (`/pods/default/web`) to bytes. One revision counter orders everything: each write, a
delete too, takes a revision of its own above all before it, and none is ever used twice, also after kill -9
or a power cut. Writes of one key follow each other as they were called; those of different keys may pass each
other. A write returns after it is durable; what a write was refused for is durable by then as well. Other
masters may write to the same store: their changes come in the same order to all.
The value bytes do not contain their revision: the reader adds it, so that the backend may choose it.

A store belongs to one event loop. It refuses nothing silently: each refusal is one of the errors below.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is stored under a key; `revision` is the one of its last change."""

    key: str
    value: bytes
    revision: int


class Change(msgspec.Struct, frozen=True, gc=False):
    """One write: `value` is None for a delete, `previous` is None for a create (`created` is true)."""

    key: str
    value: bytes | None
    previous: bytes | None
    revision: int
    created: bool


class StoreError(Exception):
    """The root of all that a store raises on purpose."""


class KeyExists(StoreError):
    """A create found the key taken, by `record`."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"key {record.key} exists at revision {record.revision}")
        self.key = record.key
        self.record = record


class KeyMissing(StoreError):
    """An update or delete found no such key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key {key} does not exist")
        self.key = key


class RevisionConflict(StoreError):
    """An update or delete expected another revision than the one of `record`, the current one."""

    def __init__(self, record: Record, expected: int) -> None:
        super().__init__(f"key {record.key} is at revision {record.revision}, not at {expected}")
        self.key = record.key
        self.record = record
        self.expected = expected


class InvalidWrite(StoreError):
    """The key or the value can never be stored; nothing was tried."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"key {key!r}: {problem}")
        self.key = key
        self.problem = problem


class Compacted(StoreError):
    """The changes asked for are no longer held: `oldest` is the lowest revision to watch from."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"changes are held from revision {oldest} on: list again")
        self.oldest = oldest


class FutureRevision(StoreError):
    """A watch was asked to start after a revision that this store has not reached (a restored backup?)."""

    def __init__(self, since: int, revision: int) -> None:
        super().__init__(f"revision {since} is in the future: the store is at {revision}")
        self.since = since
        self.revision = revision


class SlowWatcher(StoreError):
    """The subscription was dropped since its queue was full: list again."""


class StoreClosed(StoreError):
    """The store or the subscription is closed, or was never opened."""


class StoreBroken(StoreError):
    """The write could not be made durable (disk full, input/output error); nothing of it is seen by anyone.

    It may be tried again. Only a crash of the machine before the next successful write may bring it back,
    as after any commit whose outcome the disk did not tell.
    """


class OutcomeUnknown(StoreBroken):
    """The write may have been made, or may still be: the backend did not tell in time. Read before trying again."""


class StoreUnusable(StoreError):
    """The store at `place` (a path, or addresses) cannot be opened: not ours, newer, damaged, or in use."""

    def __init__(self, place: Path | str, problem: str) -> None:
        super().__init__(f"store {place}: {problem}")
        self.place = place
        self.problem = problem


class Subscription(Protocol):
    """A watch: every change of a prefix after a revision, in order, no gap, no double.

    `async for` yields the same batches as `get` and ends when the subscription or the store is closed.
    Being cancelled in `get` loses nothing.
    """

    async def get(self, limit: int = ...) -> list[Change]:
        """Wait for at least one change; return up to `limit`. Raises SlowWatcher, StoreClosed."""

    def __aiter__(self) -> AsyncIterator[list[Change]]: ...

    def close(self) -> None:
        """Let go of the queue; a waiting `get` raises StoreClosed. May be called again."""


class Store(Protocol):
    """The operations. All are called on the event loop that opened the store."""

    async def open(self) -> None:
        """Check and load what is stored. Raises StoreUnusable."""

    async def close(self) -> None:
        """Refuse new writes, make all accepted ones durable, end the subscriptions. May be called again."""

    @property
    def revision(self) -> int:
        """The last committed revision. A store whose counter is its own begins at 0."""

    @property
    def fault(self) -> str:
        """Why writes are refused or left unanswered at present; empty while all is well."""

    async def create(self, key: str, value: bytes) -> int:
        """Store a new key. Raises KeyExists, InvalidWrite, StoreBroken, OutcomeUnknown, StoreClosed."""

    async def update(self, key: str, value: bytes, *, expected: int | None) -> int:
        """Replace a value; `expected` None takes any revision. Raises KeyMissing, RevisionConflict, as create."""

    async def delete(self, key: str, *, expected: int | None) -> int:
        """Remove a key; `expected` None takes any revision. Raises KeyMissing, RevisionConflict, StoreBroken."""

    def get(self, key: str) -> Record | None:
        """The committed record of a key."""

    def load(self, prefix: str) -> list[Record]:
        """The committed records whose keys start with `prefix`, sorted by key, as of `revision`. Cheap."""

    def watch(self, prefix: str, since: int | None) -> Subscription:
        """Follow changes with a revision above `since` (None: from now). Raises Compacted, FutureRevision."""

    def subscribe(self, callback: Callable[[list[Change]], None]) -> Callable[[], None]:
        """Call `callback` with each commit's changes; return what ends that.

        It is called in revision order, after the commit is durable and before its writers are answered,
        so that a cache kept by it lets every writer read its own write. It must be quick and not raise.
        """
