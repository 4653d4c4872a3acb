"""The SQLite file behind the embedded store: opening it safely, and one transaction.

The rule: what `commit` returned for is on disk, with its revision counter, or nothing of it is. Refused at
opening, each with a message that names the path: a file that is not a store, is of a newer version, is
damaged, or is open in another process. Only the plainest SQL is used, for the old SQLite of old hosts.
"""

import fcntl
import logging
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from master.store.contract import Record, StoreUnusable

log = logging.getLogger(__name__)

SCHEMA = 1
# "STER" in the file's header says whose it is (https://www.sqlite.org/fileformat.html, application id).
APPLICATION_ID = 0x53544552
PAGE_BYTES = 8192
# Only a foreign process can hold the file's locks; the event loop waits no longer than this for it.
_BUSY_MS = 1000

_TABLES = (
    # The row id is the revision of the key's first write: ascending, so creates append to the tree, and
    # unique, so the text key needs no index of its own (it is looked up in memory).
    "CREATE TABLE records (id INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB NOT NULL, revision INTEGER NOT NULL)",
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), schema INTEGER NOT NULL, revision INTEGER NOT NULL)",
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the settings that every connection to a store needs."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1000)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-16384")
    return connection


def lock(path: Path) -> int:
    """Take the lock that keeps a second master out; it ends with the process. Returns its descriptor.

    It is a file of its own: SQLite's locks on the database are POSIX locks, which vanish when any
    descriptor of the file is closed.
    """
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise StoreUnusable(path, f"is in use by process {owner or 'unknown'}") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make_file(path: Path) -> None:
    """Make an empty file that only its owner may read; its log and index take over the mode."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    sync_folder(path.parent)


def _narrow_modes(path: Path) -> None:
    """A file found with a wider mode is narrowed, once it is known to be ours; the values hold secrets."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if name.exists():
            name.chmod(0o600)


def is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """True for an empty database, also one whose making was cut short. Raises StoreUnusable for foreign ones."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == APPLICATION_ID:
        return False
    if application == 0 and tables == 0:
        return True
    raise StoreUnusable(path, "is a database of something else, not a store of Steersman")


def make_tables(connection: sqlite3.Connection) -> None:
    """All in one transaction: a start cut short leaves an empty database."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO head VALUES (1, ?, 0)", (SCHEMA,))
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute("COMMIT")


def check(connection: sqlite3.Connection, path: Path) -> int:
    """Check version and structure; returns the revision. Raises StoreUnusable."""
    head = connection.execute("SELECT schema, revision FROM head").fetchone()
    if head is None:
        raise StoreUnusable(path, "is damaged: its revision counter is gone. Restore a snapshot")
    schema, revision = head
    if schema > SCHEMA:
        raise StoreUnusable(path, f"was written by a newer version (schema {schema}; this one knows {SCHEMA})")
    found = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise StoreUnusable(path, f"is damaged: {'; '.join(map(str, found))}. Restore a snapshot")
    return int(revision)


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise StoreUnusable(path, f"its file system cannot hold a write-ahead log (SQLite chose {mode})")


class Database:
    """An open, locked and checked file."""

    def __init__(self, path: Path) -> None:
        # The real path: two names of one file must meet at one lock.
        self.path = path.resolve()
        if not self.path.parent.is_dir():
            raise StoreUnusable(path, f"its folder {self.path.parent} does not exist")
        with ExitStack() as undo:
            try:
                self._open(undo)
            except sqlite3.DatabaseError as error:
                raise StoreUnusable(path, f"cannot be read as a store: {error}") from error
            except OSError as error:
                raise StoreUnusable(path, f"cannot be opened: {error.strerror}") from error
            self._undo = undo.pop_all()

    def _open(self, undo: ExitStack) -> None:
        undo.callback(os.close, lock(self.path))
        if not self.path.exists():
            _make_file(self.path)
        self.connection = undo.enter_context(closing(connect(self.path)))
        new = is_new(self.connection, self.path)
        _narrow_modes(self.path)
        if new:
            self.connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            _use_wal(self.connection, self.path)
            make_tables(self.connection)
        _use_wal(self.connection, self.path)
        self.revision = check(self.connection, self.path)
        self._records = self._load()

    def _load(self) -> list[Record]:
        self._ids: dict[str, int] = {}
        records = []
        for row, key, value, revision in self.connection.execute("SELECT id, key, value, revision FROM records"):
            if key in self._ids or revision > self.revision or not isinstance(value, bytes):
                raise StoreUnusable(self.path, f"is damaged: row {row} of key {key!r} makes no sense")
            self._ids[key] = row
            records.append(Record(key, value, revision))
        return records

    def take_records(self) -> list[Record]:
        """What the file held at opening; handed over once, so that it is held in memory once."""
        records, self._records = self._records, []
        return records

    def commit(self, after: dict[str, Record | None], revision: int) -> None:
        """Make the keys' new records (None: deleted) and the counter durable, or raise and change nothing."""
        puts = [(self._row(record), key, record.value, record.revision) for key, record in after.items() if record]
        drops = [key for key, record in after.items() if record is None and key in self._ids]
        if self.connection.in_transaction:  # the roll-back of a failed commit failed too
            self.connection.execute("ROLLBACK")
        try:
            self._transact(puts, [(self._ids[key],) for key in drops], revision)
        except BaseException:
            self._roll_back()
            raise
        self.revision = revision
        self._ids.update((key, row) for row, key, _, _ in puts)
        for key in drops:
            del self._ids[key]

    def _row(self, record: Record) -> int:
        return self._ids.get(record.key, record.revision)

    def _transact(self, puts: list[tuple[int, str, bytes, int]], drops: list[tuple[int]], revision: int) -> None:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        if puts:
            self.connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", puts)
        if drops:
            self.connection.executemany("DELETE FROM records WHERE id = ?", drops)
        moved = execute("UPDATE head SET revision = ? WHERE revision = ?", (revision, self.revision))
        if moved.rowcount != 1:
            raise sqlite3.IntegrityError("the file was changed by another process")
        execute("COMMIT")

    def _roll_back(self) -> None:
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            # Tried again before the next commit; the error that led here is the one to raise.
            log.warning("store roll-back failed error=%s", error)

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._undo.close()
