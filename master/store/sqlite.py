"""The embedded store: SQLite below, the whole current state in memory, group commit on the event loop.

The rule: memory shows only what is durable. A write is decided at once against the committed state and the
writes accepted before it; all that is accepted while each turn or two of the loop brings more goes into one
transaction; when that is on disk the state moves, listeners and watches hear of it, and the writers are
answered, in this order. A commit that fails fails exactly its writers and leaves the state as it was; the next
one is tried all the same.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from master.store.batch import Batch, check_write, refuse_change, refuse_create
from master.store.contract import Change, Record, StoreBroken, StoreClosed, StoreError, StoreUnusable, Subscription
from master.store.database import Database, connect
from master.store.state import Bounds, State
from master.store.wal import Checkpoints, FrameGauge

log = logging.getLogger(__name__)

# A transaction is closed at these bounds even in the middle of a turn, so the queue of writes has a bound.
_BATCH_WRITES_MAX = 1024
_BATCH_BYTES_MAX = 16 * 1024 * 1024
# A request is read in one turn of the loop, and what it writes is accepted in the next.
_QUIET_TURNS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class SqliteOptions(Bounds):
    """Where the file is, and every bound of the store. A page is 8 KB."""

    path: Path
    wal_pages: int = 1_000
    wal_pages_max: int = 4_000
    idle_s: float = 30.0

    def __post_init__(self) -> None:
        self.check_positive("wal_pages", "idle_s")
        if self.wal_pages_max <= self.wal_pages:
            raise ValueError(f"wal_pages_max: must be above wal_pages ({self.wal_pages}), not {self.wal_pages_max}")


class _Opened:
    """All that exists only between open and close."""

    def __init__(self, options: SqliteOptions, database: Database) -> None:
        self.database = database
        self.state = State(options, database.take_records(), database.revision)
        self.gauge = FrameGauge(database.path)
        self.checkpoints = Checkpoints(
            database.connection,
            lambda: connect(database.path),
            self.gauge,
            frames_start=options.wal_pages,
            frames_max=options.wal_pages_max,
            idle_s=options.idle_s,
        )

    async def close(self) -> None:
        self.state.broadcast.close()
        await self.checkpoints.close()
        self.database.close()
        self.gauge.close()


class SqliteStore:
    """The contract's Store on one SQLite file; one at a time, by an exclusive lock."""

    def __init__(self, options: SqliteOptions) -> None:
        self.options = options
        self._opened: _Opened | None = None
        self._batch: Batch | None = None

    async def open(self) -> None:
        if self._opened is not None:
            raise StoreUnusable(self.options.path, "is already open here")
        # Checking and reading take a while for a big file; other start-up work goes on meanwhile.
        database = await asyncio.to_thread(Database, self.options.path)
        try:
            self._opened = _Opened(self.options, database)
        except BaseException:
            database.close()
            raise
        log.info("store opened path=%s revision=%d", database.path, database.revision)

    async def close(self) -> None:
        opened = self._opened
        if opened is None:
            return
        self._commit()
        self._opened = None
        await opened.close()
        log.info("store closed path=%s revision=%d", opened.database.path, opened.database.revision)

    @property
    def revision(self) -> int:
        return self._live().state.revision

    @property
    def fault(self) -> str:
        """A commit that failed is told to its writers, and the next one is tried all the same."""
        self._live()
        return ""

    def get(self, key: str) -> Record | None:
        return self._live().state.records.get(key)

    def load(self, prefix: str) -> list[Record]:
        return self._live().state.records.load(prefix)

    def watch(self, prefix: str, since: int | None) -> Subscription:
        return self._live().state.watch(prefix, since)

    def subscribe(self, callback: Callable[[list[Change]], None]) -> Callable[[], None]:
        return self._live().state.subscribe(callback)

    def create(self, key: str, value: bytes) -> Coroutine[Any, Any, int]:
        return self._write(key, value, refuse_create)

    def update(self, key: str, value: bytes, *, expected: int | None) -> Coroutine[Any, Any, int]:
        return self._write(key, value, lambda current: refuse_change(key, current, expected))

    def delete(self, key: str, *, expected: int | None) -> Coroutine[Any, Any, int]:
        return self._write(key, None, lambda current: refuse_change(key, current, expected))

    async def _write(self, key: str, value: bytes | None, refuse: Callable[[Record | None], StoreError | None]) -> int:
        check_write(key, b"" if value is None else value, value_bytes_max=self.options.value_bytes_max)
        while True:
            if self._live().checkpoints.full:
                await self._live().checkpoints.room()
            batch = self._batch_for_writing()
            before = batch.current(key)
            refusal = refuse(before)
            if refusal is None:
                return await self._accept(batch, key, value, before)
            # What refuses this write may itself not be durable yet: tell of it only when it is, and
            # decide afresh when it never will be.
            if key not in batch.after or await asyncio.shield(batch.settled):
                raise refusal

    def _live(self) -> _Opened:
        if self._opened is None:
            raise StoreClosed(f"store {self.options.path} is not open")
        return self._opened

    def _batch_for_writing(self) -> Batch:
        if self._batch is None:
            live = self._live()
            self._batch = Batch(live.state.revision, live.state.records.get)
        return self._batch

    def _accept(self, batch: Batch, key: str, value: bytes | None, before: Record | None) -> asyncio.Future[int]:
        if not batch.changes:
            batch.loop.call_soon(self._gather, batch, 1, 0)
        writer = batch.add(key, value, before)
        if len(batch.changes) >= _BATCH_WRITES_MAX or batch.bytes >= _BATCH_BYTES_MAX:
            self._commit()
        return writer

    def _gather(self, batch: Batch, seen: int, quiet: int) -> None:
        """Commit once the loop has turned without a further write. Who is answered together writes again together,
        but is not read in one turn; and a commit costs about the same for one of them as for all."""
        if batch is not self._batch:
            return
        writes = len(batch.changes)
        quiet = quiet + 1 if writes == seen else 0
        if quiet < _QUIET_TURNS:
            batch.loop.call_soon(self._gather, batch, writes, quiet)
        else:
            self._commit()

    def _commit(self) -> None:
        """Commit what is accepted. Never raises: each outcome is told to the writers."""
        batch, self._batch = self._batch, None
        if batch is None or not batch.changes:
            return
        live = self._live()
        try:
            live.database.commit(batch.after, batch.revision)
        except Exception as error:  # whatever went wrong, the writers must hear of it
            # A full disk fails many commits: its errors go without a trace, what nobody foresaw with one.
            trace = not isinstance(error, sqlite3.Error)
            log.error("store commit failed writes=%d error=%s", len(batch.changes), error, exc_info=trace)
            batch.fail(partial(_broken, error))
            return
        live.state.commit(batch.changes, batch.revision)
        batch.succeed()
        live.checkpoints.after_commit()


def _broken(error: Exception) -> StoreBroken:
    broken = StoreBroken(f"the write could not be made durable: {error}")
    broken.__cause__ = error
    return broken
