"""Answers of other servers, kept as they came and aged when given out.

The records lie at the same offset in every message with the same name, so their compression pointers stay
right; only id, flags, the case of the question and the TTLs are put in anew.
"""

import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass

from clusterdns.counts import CacheCounts
from clusterdns.wire import (
    HEADER_BYTES,
    NOERROR,
    NXDOMAIN,
    TC,
    TYPE_OPT,
    TYPE_SOA,
    MalformedError,
    Query,
    Record,
    message,
    room,
    walk_records,
)

AUTHENTIC = 0x20  # the AD bit
MAX_KEPT_BYTES = 4096  # bounds the memory of a full cache
STALE_TTL_S = 30  # of an answer past its life, and the time in which nobody is asked again: RFC 8767
PREFETCH_SHARE = 0.1  # of the life: an answer asked for in its last part is fetched anew
Key = tuple[bytes, bytes, bool, int]


@dataclass(frozen=True, slots=True)
class Foreign:
    """One answer of another server, without its id, question and OPT record."""

    rcode: int
    flags: int  # the AD bit only
    counts: tuple[int, int, int]
    body: bytes
    ttl_offsets: tuple[int, ...]  # from the start of the body
    keep_s: float  # 0: good for those who wait for it, not to be kept
    born: float  # time.monotonic

    def render(self, query: Query, now: float) -> bytes:
        """The message for one client; TC and nothing else when it is too large for it."""
        rcode = self.rcode | self.flags
        if len(self.body) > room(query):
            return message(query, (TC, rcode), (0, 0, 0), b"")
        return message(query, (0, rcode), self.counts, self._aged(int(now - self.born), past=now >= self.ends))

    @property
    def ends(self) -> float:
        """When its life ends (time.monotonic)."""
        return self.born + self.keep_s

    def is_old(self, now: float) -> bool:
        """Whether it is in the last part of its life."""
        return now >= self.ends - self.keep_s * PREFETCH_SHARE

    @property
    def says_no(self) -> bool:
        """Whether there is no such name, or nothing of the type asked for."""
        return self.rcode != NOERROR or not self.counts[0]

    def _aged(self, age_s: int, *, past: bool) -> bytes:
        if age_s <= 0:
            return self.body
        body = bytearray(self.body)
        for offset in self.ttl_offsets:
            ttl = int.from_bytes(body[offset : offset + 4], "big")
            left = min(ttl, STALE_TTL_S) if past and self.keep_s else max(ttl - age_s, 0)
            body[offset : offset + 4] = left.to_bytes(4, "big")
        return bytes(body)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long answers may be kept, in seconds."""

    positive_s: float
    negative_s: float


def read_foreign(data: bytes, question: bytes, *, limits: Limits, now: float) -> Foreign:
    """Take apart an answer whose id and question have been checked; MalformedError when it is crooked."""
    start = HEADER_BYTES + len(question)
    records, end = [], start
    for each in walk_records(data, start):
        if each.rtype == TYPE_OPT:
            break  # hop by hop; what follows it is additional and may be left out
        records.append(each)
        end = each.end
    rcode = data[3] & 0x0F
    sections = [each.section for each in records]
    return Foreign(
        rcode,
        data[3] & AUTHENTIC,
        (sections.count(0), sections.count(1), sections.count(2)),
        data[start:end],
        tuple(each.ttl_offset - start for each in records),
        _keep_s(data, records, rcode, limits),
        now,
    )


def _keep_s(data: bytes, records: list[Record], rcode: int, limits: Limits) -> float:
    """RFC 2308: a negative answer is kept for the lesser of its SOA's TTL and minimum, without SOA never."""
    if rcode == NOERROR and any(each.section == 0 for each in records):
        if any(each.section == 0 and each.rtype == TYPE_SOA and each.end - 4 < each.rdata for each in records):
            raise MalformedError("SOA cut short")
        return min(limits.positive_s, *(_ttl(each) for each in records))
    if rcode not in (NOERROR, NXDOMAIN):
        return 0
    for each in records:
        if each.section == 1 and each.rtype == TYPE_SOA:
            minimum = int.from_bytes(data[each.end - 4 : each.end], "big")
            return min(limits.negative_s, _ttl(each), minimum)
    return 0


def _ttl(each: Record) -> int:
    return each.ttl if each.ttl < 1 << 31 else 0  # RFC 2181 section 8


def key_of(query: Query) -> Key:
    """What makes two questions the same for another server."""
    return (query.name, query.kind, query.do, query.cd)


class Cache:
    """A bounded table; the least recently used answer leaves first.

    Answers stay for `stale_s` after their life, for the time when no server answers.
    """

    def __init__(self, size: int, *, stale_s: float = 0, counts: CacheCounts | None = None) -> None:
        self._size, self._stale_s = size, stale_s
        self._counts = counts or CacheCounts()
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Foreign] = OrderedDict()
        self._failed: dict[Key, float] = {}

    def get(self, key: Key) -> Foreign | None:
        """A kept answer that is still fresh; one past its life for a while after nobody answered."""
        with self._lock:
            kept = self._at_all(key)
            now = time.monotonic()
            if kept is None or (now >= kept.ends and now >= self._failed.get(key, 0)):
                self._counts.misses += 1
                return None
            self._counts.hits[kept.says_no] += 1
            self._counts.stale += now >= kept.ends
            self._counts.prefetches += now < kept.ends and kept.is_old(now)
            return kept

    def stale(self, key: Key) -> Foreign | None:
        """What is kept, also past its life. Nobody answered: for a while it is not asked for again."""
        with self._lock:
            kept = self._at_all(key)
            if kept is not None:
                self._failed[key] = time.monotonic() + STALE_TTL_S
                self._counts.stale += 1
            return kept

    def entries(self) -> Counter[bool]:
        """How many are kept, by whether they say no."""
        with self._lock:
            return Counter(one.says_no for one in self._kept.values())

    def put(self, key: Key, answer: Foreign) -> None:
        """Keep an answer, unless its life or its size forbids."""
        if answer.keep_s <= 0 or len(answer.body) > MAX_KEPT_BYTES:
            return
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            self._failed.pop(key, None)
            while len(self._kept) > self._size:
                gone, _answer = self._kept.popitem(last=False)
                self._failed.pop(gone, None)

    def _at_all(self, key: Key) -> Foreign | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if time.monotonic() >= kept.ends + self._stale_s:
            del self._kept[key]
            self._failed.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return kept
