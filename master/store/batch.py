"""Writes that were accepted and are not yet durable: the next transaction.

Pure: it decides what a write would do against the committed state and the writes accepted before it, so that
the order of acceptance is the order of revisions. It touches neither disk nor clock.
"""

import asyncio
from collections.abc import Callable

from master.store.contract import Change, InvalidWrite, KeyExists, KeyMissing, Record, RevisionConflict, StoreError


def _encodable(key: str) -> bool:
    try:
        return bool(key.encode())
    except UnicodeEncodeError:
        return False


def check_write(key: str, value: bytes, *, value_bytes_max: int) -> None:
    """Raise InvalidWrite for what no backend could store: it must not reach, and so fail, a whole batch."""
    if not key.startswith("/") or "\0" in key or not (key.isascii() or _encodable(key)):
        raise InvalidWrite(key, "must start with / and hold neither NUL nor lone surrogates")
    if not isinstance(value, bytes):
        raise InvalidWrite(key, f"the value must be bytes, not {type(value).__name__}")
    if len(value) > value_bytes_max:
        raise InvalidWrite(key, f"the value has {len(value)} bytes, more than {value_bytes_max}")


def refuse_create(current: Record | None) -> StoreError | None:
    """Why a create may not follow `current`, or None."""
    return None if current is None else KeyExists(current)


def refuse_change(key: str, current: Record | None, expected: int | None) -> StoreError | None:
    """Why an update or delete may not follow `current`, or None."""
    if current is None:
        return KeyMissing(key)
    if expected is not None and current.revision != expected:
        return RevisionConflict(current, expected)
    return None


class Batch:
    """The writes of one transaction, on top of `revision` and the committed state that `committed` reads."""

    def __init__(self, revision: int, committed: Callable[[str], Record | None]) -> None:
        self.base = revision
        self.changes: list[Change] = []
        self.after: dict[str, Record | None] = {}
        self.bytes = 0
        # Asked for once: to find the running loop is a call of the kernel each time.
        self.loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[bool] = self.loop.create_future()
        self._committed = committed
        self._writers: list[asyncio.Future[int]] = []

    @property
    def revision(self) -> int:
        """The revision after this batch."""
        return self.base + len(self.changes)

    def current(self, key: str) -> Record | None:
        """The record of a key as the next write must see it."""
        return self.after[key] if key in self.after else self._committed(key)

    def add(self, key: str, value: bytes | None, before: Record | None) -> asyncio.Future[int]:
        """Accept a write (None deletes) on top of the `current` record; the future gets its revision when that is
        durable."""
        revision = self.revision + 1
        previous = None if before is None else before.value
        self.changes.append(Change(key, value, previous, revision, created=before is None))
        self.after[key] = None if value is None else Record(key, value, revision)
        self.bytes += len(key) + len(value or b"")
        writer: asyncio.Future[int] = self.loop.create_future()
        self._writers.append(writer)
        return writer

    def succeed(self) -> None:
        """Answer every writer with its revision."""
        self.settled.set_result(True)
        for writer, change in zip(self._writers, self.changes, strict=True):
            if not writer.done():  # a writer may have been cancelled while it waited
                writer.set_result(change.revision)

    def fail(self, error: Callable[[], StoreError]) -> None:
        """Answer every writer with an error of its own."""
        self.settled.set_result(False)
        for writer in self._writers:
            if not writer.done():
                writer.set_exception(error())
