"""All that a prefix holds at one revision: reading it, claiming a new prefix, and comparing it with what we knew."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from master.store.contract import Change, Record
from master.store.etcd.client import EtcdClient
from master.store.etcd.layout import SCHEMA, Layout, Marker, unseal
from master.store.etcd.messages import KeyValue, RangeAnswer, TxnAnswer, put
from master.store.records import Records

_PAGE = 500


class Foreign(Exception):
    """The prefix cannot be used as a store; the text says why."""


def read_marker(pair: KeyValue | None) -> Marker:
    """Raises Foreign for what this version must not touch."""
    if pair is None:
        raise Foreign("holds keys of something else than Steersman: choose another prefix")
    try:
        marker = msgspec.json.decode(pair.value, type=Marker)
    except msgspec.MsgspecError as error:
        raise Foreign(f"has a damaged marker: {error}") from error
    if marker.schema > SCHEMA:
        raise Foreign(f"was written by a newer version (schema {marker.schema}; this one knows {SCHEMA})")
    return marker


async def claim(client: EtcdClient, layout: Layout, marker: Marker, deadline: float) -> tuple[KeyValue | None, bool]:
    """Put the marker if nothing is there; returns the marker found or put, and whether it was put now.

    Sent twice by a lost answer, it finds its own marker, which does no harm.
    """
    absent = {
        "result": "EQUAL",
        "target": "CREATE",
        "key": layout.first,
        "range_end": layout.end,
        "create_revision": 0,
    }
    value = msgspec.json.encode(marker)
    request = {
        "compare": [absent],
        "success": [put(layout.marker, value)],
        "failure": [{"request_range": {"key": layout.marker}}],
    }
    answer, _ = await client.call("/v3/kv/txn", request, TxnAnswer, deadline=deadline)
    if answer.succeeded:
        return KeyValue(layout.marker, value, answer.header.revision, answer.header.revision), True
    found = answer.read()
    return (found[0] if found else None), False


async def pages(client: EtcdClient, layout: Layout, deadline: float) -> AsyncIterator[RangeAnswer]:
    """Everything under the prefix, in key order, all as of the first answer's revision."""
    start, revision = layout.first, 0
    while True:
        request = {"key": start, "range_end": layout.end, "limit": _PAGE, "revision": revision}
        answer, _ = await client.call("/v3/kv/range", request, RangeAnswer, deadline=deadline)
        # The header of a read at a revision tells the newest one.
        revision = revision or answer.header.revision
        answer.header.revision = revision
        yield answer
        if not answer.more or not answer.kvs:
            return
        start = answer.kvs[-1].key + b"\0"


@dataclass(slots=True)
class Content:
    """`revision`, `tombs` and `created` are etcd's numbers, those in the records have the offset added."""

    offset: int = 0
    cluster_id: int = 0
    revision: int = 0
    last_change: int = 0
    compact: int = 0
    marker: bytes = b""
    records: list[Record] = field(default_factory=list)
    created: dict[str, int] = field(default_factory=dict)
    write_ids: dict[bytes, int] = field(default_factory=dict)
    tombs: dict[bytes, int] = field(default_factory=dict)


async def read_content(client: EtcdClient, layout: Layout, deadline: float) -> Content:
    """Raises Refused, Unanswered, Foreign."""
    content = Content()
    marker: Marker | None = None
    async for page in pages(client, layout, deadline):
        content.revision, content.cluster_id = page.header.revision, page.header.cluster_id
        if marker is None:  # it sorts before all records, but for other keys of ours
            found = [pair for pair in page.kvs if pair.key == layout.marker]
            if not page.kvs:
                raise Foreign("is empty: no store was ever opened here")
            marker = read_marker(found[0] if found else None)
            content.offset, content.marker = marker.offset, found[0].value
        for pair in page.kvs:
            _take(content, layout, pair)
    if marker is not None and marker.restoring:
        raise Foreign("holds a restore that was cut short: restore again")
    return content


def _take(content: Content, layout: Layout, pair: KeyValue) -> None:
    content.last_change = max(content.last_change, pair.mod_revision)
    value, write_id = unseal(pair.value)
    content.write_ids[write_id] = pair.mod_revision
    if layout.is_own(pair.key):
        _take_own(content, layout, pair)
        return
    key = layout.contract_key(pair.key)
    if key is None:
        raise Foreign(f"holds a key that is not a store's: {pair.key!r}")
    content.records.append(Record(key, value, pair.mod_revision + content.offset))
    content.created[key] = pair.create_revision


def _take_own(content: Content, layout: Layout, pair: KeyValue) -> None:
    if layout.is_tomb(pair.key):
        # The tombstone's value is the id of the delete, bare.
        content.tombs[pair.key] = pair.mod_revision
        content.write_ids[pair.value] = pair.mod_revision
    elif pair.key == layout.compact:
        content.compact = pair.mod_revision


def difference(known: Records, known_revision: int, content: Content, layout: Layout) -> list[Change]:
    """The changes that lead from what we knew at a revision to the content, when the way there was compacted.

    Of several writes to a key only the outcome is told. Deletes no longer have a revision of their own: they
    get the lowest bound that is known (the tombstone of their shard, or just before the key was made anew).
    """
    changes = []
    for record in content.records:
        before, created = known.get(record.key), content.created[record.key] + content.offset
        if before is not None and created > known_revision:
            changes.append(Change(record.key, None, before.value, created - 1, False))
            before = None
        if before is None or before.revision != record.revision:
            previous = None if before is None else before.value
            changes.append(Change(record.key, record.value, previous, record.revision, before is None))
    for before in known.load(""):
        if before.key not in content.created:
            at = content.tombs.get(layout.tomb(before.key), content.revision) + content.offset
            changes.append(Change(before.key, None, before.value, at, False))
    changes.sort(key=lambda change: change.revision)
    return changes
