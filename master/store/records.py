"""The committed state in memory: a dict for one key, a sorted list of keys for a prefix.

The list is put in order when somebody asks for a prefix, which is seldom: a write costs the same however many keys
there are.
Keys sort by code point, which for valid text is the order of their UTF-8 bytes, the one etcd uses.
"""

from bisect import bisect_left
from collections.abc import Iterable

from master.store.contract import Change, Record


def after_prefix(prefix: str) -> str | None:
    """The smallest string above all that start with `prefix`; None when there is none (all keys match)."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    # Surrogates cannot be encoded, so they cannot occur in a key; step over them.
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)


class Records:
    """All records, readable by key and by prefix."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._by_key = {record.key: record for record in records}
        self._sorted: list[str] | None = None

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: str) -> Record | None:
        return self._by_key.get(key)

    def load(self, prefix: str) -> list[Record]:
        """The records of a prefix in key order: two binary searches and a slice."""
        if self._sorted is None:
            self._sorted = sorted(self._by_key)
        keys = self._sorted
        first = bisect_left(keys, prefix)
        end = after_prefix(prefix)
        last = len(keys) if end is None else bisect_left(keys, end, first)
        return [self._by_key[key] for key in keys[first:last]]

    def apply(self, change: Change) -> None:
        """Take over one committed change."""
        if change.value is None:
            del self._by_key[change.key]
            self._sorted = None
            return
        if change.created:
            self._sorted = None
        self._by_key[change.key] = Record(change.key, change.value, change.revision)
