"""How a store lies in etcd: keys, frames of values, tombstones, the marker. Pure.

All of a store lies under `PREFIX/`. Keys of the contract begin with / and hold no NUL, so ours begin with /NUL:
`PREFIX/\\0marker` says what this is, `PREFIX/\\0compact` who compacted last, `PREFIX/\\0gone/7f` is the tombstone of a
shard of keys. A value is what was given and behind it a newline, @ and the id of its write, so that `etcdctl get` shows
readable JSON; a value without an id was written by other hands and is taken as it is.
"""

import os
from itertools import count
from typing import Literal
from zlib import crc32

import msgspec

SCHEMA = 1
_ID_BYTES = 28
_FRAME = b"\n@"
_SHARDS = 256


class Marker(msgspec.Struct, frozen=True):
    """`offset` is added to etcd's revisions: above 0 after a restore, since etcd's counter cannot be set."""

    store: Literal["steersman"] = "steersman"
    schema: int = SCHEMA
    offset: int = 0
    restoring: bool = False


def seal(value: bytes, write_id: bytes) -> bytes:
    """The value as etcd holds it."""
    return value + _FRAME + write_id


def unseal(stored: bytes) -> tuple[bytes, bytes]:
    """The value and the id of its write (empty: of other hands)."""
    end = len(stored) - _ID_BYTES
    if end >= 2 and stored[end - 2 : end] == _FRAME:
        return stored[: end - 2], stored[end:]
    return stored, b""


class WriteIds:
    """Ids that no other write has: a random part for this opening, and a number."""

    def __init__(self) -> None:
        self._opening = os.urandom(8).hex()
        self._numbers = count(1)

    def next(self) -> bytes:
        return b"%b%012x" % (self._opening.encode(), next(self._numbers))


class Layout:
    """The keys of one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self.first = self._prefix + b"/"
        self.end = self._prefix + b"0"  # the byte after /
        own = self.first + b"\0"
        self.marker = own + b"marker"
        self.compact = own + b"compact"
        self._tombs = own + b"gone/"
        self._own = own

    def key(self, key: str) -> bytes:
        return self._prefix + key.encode()

    def tomb(self, key: str) -> bytes:
        """The tombstone whose shard the key belongs to."""
        return self._tombs + b"%02x" % (crc32(key.encode()) % _SHARDS)

    def is_own(self, stored: bytes) -> bool:
        """True for the keys that are not the contract's."""
        return stored.startswith(self._own)

    def is_tomb(self, stored: bytes) -> bool:
        return stored.startswith(self._tombs)

    def contract_key(self, stored: bytes) -> str | None:
        """The key as the contract's; None when other hands made what it could not be."""
        try:
            key = stored[len(self._prefix) :].decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in key else key
