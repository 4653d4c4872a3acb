"""The file of a snapshot: a header of one block, then an SQLite database with the tables of a store.

    STEERSMAN SNAPSHOT 1
    {"revision":1200,"records":35,"made":"2026-01-31T12:00:00Z","source":"sqlite","bytes":73728}
    sha256 <of the line above and all bytes after the block>

The rule: a file under its final name is whole and durable; what was cut short has another name. A reader believes
nothing before the checksum was right. The block is padded with spaces, so the database can be had by `tail -c +1025`.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

import msgspec

from master.store.contract import StoreError
from master.store.database import sync_folder

_MAGIC = b"STEERSMAN SNAPSHOT "
_FORMAT = 1
_BLOCK = 1024
_CHUNK = 1024 * 1024


class SnapshotError(StoreError):
    """A snapshot could not be written, read or restored; says which file and why."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"snapshot {file}: {problem}")
        self.file = file
        self.problem = problem


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds: `records` as of `revision`; `bytes` is the size of the database in it."""

    revision: int
    records: int
    made: datetime
    source: Literal["sqlite", "etcd"]
    bytes: int


def new_snapshot(*, revision: int, records: int, source: Literal["sqlite", "etcd"], size: int) -> Snapshot:
    made = datetime.now(UTC).replace(microsecond=0)
    return Snapshot(revision=revision, records=records, made=made, source=source, bytes=size)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file only its owner may read (the values hold secrets), durable when the block ends; gone if it fails."""
    path.unlink(missing_ok=True)  # of a run that was cut short
    stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def refuse_other(file: Path) -> None:
    """Refuse a name under which no snapshot may be written: only an older one, or an empty file, is ever replaced."""
    if not file.parent.is_dir():
        raise SnapshotError(file, f"there is no folder {file.parent}")
    if not os.path.lexists(file):
        return
    if not file.is_file():
        raise SnapshotError(file, "is there and is no ordinary file: choose another name")
    with file.open("rb") as stream:
        begin = stream.read(len(_MAGIC))
    if begin not in (b"", _MAGIC):
        raise SnapshotError(file, "is there and is no snapshot, so it is not replaced: choose another name")


def pack(database: Path, snapshot: Snapshot, file: Path) -> None:
    """Write header and database to `file`, replacing an older snapshot of that name at once. Raises OSError."""
    partial = file.with_name(f"{file.name}.partial")
    facts = msgspec.json.encode(snapshot)
    digest = hashlib.sha256(facts)
    with private_file(partial) as target, database.open("rb") as source:
        target.write(b" " * _BLOCK)
        for chunk in _chunks(source):
            digest.update(chunk)
            target.write(chunk)
        target.seek(0)
        target.write(b"%b%d\n%b\nsha256 %b\n" % (_MAGIC, _FORMAT, facts, digest.hexdigest().encode()))
    partial.replace(file)
    sync_folder(file.parent)


def unpack(file: Path, target: IO[bytes] | None) -> Snapshot:
    """Check a snapshot and write its database to `target` if there is one. Raises SnapshotError, OSError.

    What was written is to be believed only when this has returned.
    """
    with file.open("rb") as source:
        facts, expected = _read_block(file, source.read(_BLOCK))
        digest = hashlib.sha256(facts)
        for chunk in _chunks(source):
            digest.update(chunk)
            if target is not None:
                target.write(chunk)
        size = source.tell() - _BLOCK
    if digest.hexdigest() != expected:
        raise SnapshotError(file, f"is damaged: its checksum is wrong ({size} bytes of database)")
    try:
        return msgspec.json.decode(facts, type=Snapshot)
    except msgspec.MsgspecError as error:
        raise SnapshotError(file, f"has a header that makes no sense: {error}") from error


def _read_block(file: Path, block: bytes) -> tuple[bytes, str]:
    """The line of facts and the checksum."""
    if not block.startswith(_MAGIC):
        raise SnapshotError(file, "is not a snapshot of Steersman")
    lines = block.split(b"\n")
    version = lines[0][len(_MAGIC) :].decode(errors="replace")
    if version != str(_FORMAT):
        raise SnapshotError(file, f"has format {version}; this version knows {_FORMAT}")
    if len(block) < _BLOCK or len(lines) != 4 or not lines[2].startswith(b"sha256 "):
        raise SnapshotError(file, "is damaged: its header is not whole")
    return lines[1], lines[2][len(b"sha256 ") :].decode(errors="replace")
