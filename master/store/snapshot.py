"""Saves a store while its master runs, and makes a new store of what was saved, on either backend.

`save(source, file)`, `restore(file, target)` and `inspect(file)` block; a coroutine calls them by
`asyncio.to_thread`. A source or target is a path (SQLite), the options of a store, or an open store (as source).

The rules. A saved state is the one of a single revision. A running master is not disturbed: SQLite is read by a
connection of its own (the lock beside the file only keeps a second master out), etcd at one old revision. A restore
refuses a damaged file and an existing store, and what was cut short is not taken for a store. No revision is used
twice: between the snapshot and the accident there were writes that clients have seen, so the restored counter begins
`LEAP` above the saved one; clients that come with older revisions are told to list again.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from master.store.contract import Record, StoreUnusable
from master.store.database import PAGE_BYTES, check, is_new, lock, make_tables, sync_folder
from master.store.etcd.copying import read_store, write_store
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from master.store.snapshot_file import Snapshot, SnapshotError, new_snapshot, pack, private_file, refuse_other, unpack
from master.store.sqlite import SqliteOptions, SqliteStore

log = logging.getLogger(__name__)

# More than any store can have moved since a snapshot: a thousand writes a second for eleven days.
LEAP = 1_000_000_000
_WAIT_S = 30.0

Source = Path | SqliteOptions | EtcdOptions | SqliteStore | EtcdStore
Target = Path | SqliteOptions | EtcdOptions


def save(source: Source, file: Path) -> Snapshot:
    """Write a consistent copy to `file`, replacing an older snapshot there. Raises SnapshotError, StoreUnusable."""
    options = source.options if isinstance(source, SqliteStore | EtcdStore) else source
    file = file.absolute()
    with _errors_of(file):
        refuse_other(file)
    with _errors_of(file), _scratch(file.with_name(f"{file.name}.copy")) as copy:
        if isinstance(options, EtcdOptions):
            records, revision = asyncio.run(read_store(options))
            _write_database(copy, records, revision)
            snapshot = _describe(copy, file, "etcd")
        else:
            _copy_database(_path(options), copy)
            snapshot = _describe(copy, _path(options), "sqlite")
        pack(copy, snapshot, file)
    log.info("store saved file=%s revision=%d records=%d", file, snapshot.revision, snapshot.records)
    return snapshot


def restore(file: Path, target: Target, *, leap: int = LEAP) -> Snapshot:
    """Make a new store of a snapshot, its counter `leap` above the saved one or more.

    Raises SnapshotError for what is wrong with the file, StoreUnusable for what is wrong with the target.
    """
    if leap < 1:
        raise ValueError(f"leap: must be at least 1, not {leap}")
    with _errors_of(file):
        if isinstance(target, EtcdOptions):
            snapshot = _restore_etcd(file, target, leap)
        else:
            snapshot = _restore_sqlite(file, _path(target).resolve(), leap)
    log.info("store restored file=%s revision=%d records=%d", file, snapshot.revision, snapshot.records)
    return snapshot


def inspect(file: Path) -> Snapshot:
    """What a snapshot holds, after its checksum was found right. Raises SnapshotError."""
    with _errors_of(file):
        return unpack(file, None)


def _path(options: Path | SqliteOptions) -> Path:
    return options if isinstance(options, Path) else options.path


@contextmanager
def _errors_of(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise SnapshotError(file, str(error)) from error


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A file only its owner may read, removed in the end; its name is fixed, so a killed run leaves one at most."""
    names = [Path(f"{path}{suffix}") for suffix in ("", "-journal", "-wal", "-shm")]
    try:
        for name in names:
            name.unlink(missing_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield path
    finally:
        for name in names:
            name.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    """To an existing database. Writable, since reading one whose master was killed means replaying its log."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None, timeout=_WAIT_S)


def _copy_database(path: Path, copy: Path) -> None:
    """SQLite's online backup, in one step: one read transaction, so that writes go on and none is half seen."""
    if not path.is_file():
        raise StoreUnusable(path, "does not exist")
    with closing(_connect(path.resolve())) as source, closing(sqlite3.connect(copy)) as target:
        if is_new(source, path):
            raise StoreUnusable(path, "is empty: no store was ever opened here")
        source.backup(target, pages=-1)
        target.execute("PRAGMA journal_mode=DELETE")


def _write_database(copy: Path, records: Iterable[Record], revision: int) -> None:
    """A database like that of the embedded store."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        make_tables(connection)
        connection.execute("BEGIN")
        rows = ((row, record.key, record.value, record.revision) for row, record in enumerate(records, 1))
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
        connection.execute("UPDATE head SET revision = ?", (revision,))
        connection.execute("COMMIT")


def _describe(copy: Path, place: Path, source: Literal["sqlite", "etcd"]) -> Snapshot:
    """Checks the copy as a master would at its start; `place` is named when it is refused."""
    with closing(sqlite3.connect(copy)) as connection:
        revision = check(connection, place)
        (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    return new_snapshot(revision=revision, records=count, source=source, size=copy.stat().st_size)


def _restore_sqlite(file: Path, path: Path, leap: int) -> Snapshot:
    if not path.parent.is_dir():
        raise StoreUnusable(path, f"its folder {path.parent} does not exist")
    held = lock(path)  # no master may start on it meanwhile
    try:
        for existing in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            if existing.exists():
                raise StoreUnusable(path, f"{existing.name} exists: move it away to restore here")
        return _place(file, path, leap)
    finally:
        os.close(held)


def _place(file: Path, path: Path, leap: int) -> Snapshot:
    """Prepare under another name, then give it the store's name at once."""
    prepared = path.with_name(f"{path.name}.restoring")
    with private_file(prepared) as stream:
        snapshot = unpack(file, stream)
    try:
        with closing(_connect(prepared)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            revision = check(connection, file)
            connection.execute("UPDATE head SET revision = ?", (revision + leap,))
        os.link(prepared, path)  # unlike a rename it never replaces
    finally:
        prepared.unlink()
    sync_folder(path.parent)
    return snapshot


def _restore_etcd(file: Path, options: EtcdOptions, leap: int) -> Snapshot:
    """By way of memory, which leaves no copy of the values behind; etcd itself holds but a few gigabytes."""
    content = BytesIO()
    snapshot = unpack(file, content)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content.getbuffer())
        revision = check(connection, file)
        _refuse_larger(file, connection, options.value_bytes_max)
        rows = connection.execute("SELECT key, value, revision FROM records ORDER BY revision, key")
        asyncio.run(write_store(options, (Record(*row) for row in rows), revision + leap))
    return snapshot


def _refuse_larger(file: Path, connection: sqlite3.Connection, limit: int) -> None:
    query = "SELECT key, length(value) FROM records ORDER BY length(value) DESC LIMIT 1"
    for key, size in connection.execute(query):
        if size > limit:
            raise SnapshotError(file, f"key {key} has {size} bytes, more than the {limit} that this store takes")


__all__ = ["LEAP", "Snapshot", "SnapshotError", "inspect", "restore", "save"]
