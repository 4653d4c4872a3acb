"""A whole store out of etcd and into it, for snapshots.

The rule for a restore: the marker says "restoring" until the last record is there, so that no master opens half a
store; what was cut short is wiped by the next restore. etcd's counter cannot be set, so the marker holds the offset
that lifts this store's revisions above those that were used before.
"""

import asyncio
from collections.abc import Iterable, Iterator

import msgspec

from master.store.contract import Record, StoreUnusable
from master.store.etcd.client import EtcdClient, Refused, Unanswered
from master.store.etcd.content import Content, Foreign, claim, read_content, read_marker
from master.store.etcd.layout import Layout, Marker, WriteIds, seal
from master.store.etcd.messages import RangeAnswer, TxnAnswer, delete, put, unchanged
from master.store.etcd.options import EtcdOptions

# etcd's bounds are 128 operations (--max-txn-ops) and 1.5 MiB (--max-request-bytes) a transaction.
_TXN_OPERATIONS = 100
_TXN_BYTES = 1_000_000
_READS_MAX = 3
_OUT_OF_RANGE = 11


async def read_store(options: EtcdOptions) -> tuple[list[Record], int]:
    """All records as of one revision, and that revision. Raises StoreUnusable."""
    async with _Session(options) as session:
        content = await _read(session)
        return content.records, content.last_change + content.offset


async def _read(session: "_Session") -> Content:
    """Anew when the revision being read was compacted meanwhile."""
    for _ in range(_READS_MAX - 1):
        try:
            return await read_content(session.client, session.layout, session.deadline())
        except Refused as refusal:
            if refusal.code != _OUT_OF_RANGE:
                raise
    return await read_content(session.client, session.layout, session.deadline())


async def write_store(options: EtcdOptions, records: Iterable[Record], revision: int) -> None:
    """Make a new store of the records, whose counter begins above `revision`. Raises StoreUnusable."""
    async with _Session(options) as session:
        request = {"key": session.layout.marker, "keys_only": True}
        now = await session.client.call("/v3/kv/range", request, RangeAnswer, deadline=session.deadline())
        offset = max(0, revision - now[0].header.revision)
        held = await _begin(session, Marker(offset=offset, restoring=True))
        ids = WriteIds()
        for batch in _batches(records):
            puts = [put(session.layout.key(one.key), seal(one.value, ids.next())) for one in batch]
            await session.while_held(held, puts)
        await session.while_held(held, [put(session.layout.marker, msgspec.json.encode(Marker(offset=offset)))])


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        more = len(record.key) + len(record.value)
        if batch and (len(batch) >= _TXN_OPERATIONS or size + more > _TXN_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += more
    if batch:
        yield batch


async def _begin(session: "_Session", marker: Marker) -> int:
    """Put the marker on an empty prefix, or on one whose restore was cut short; returns its mod revision."""
    found, new = await claim(session.client, session.layout, marker, session.deadline())
    value = msgspec.json.encode(marker)
    if found is not None and (new or found.value == value):  # the latter when an answer was lost
        return found.mod_revision
    if found is None or not read_marker(found).restoring:
        raise Foreign("is in use: restore into a new prefix, or delete this one first")
    layout = session.layout
    wipe = [delete(layout.first, layout.marker), delete(layout.marker + b"\0", layout.end)]
    return await session.while_held(found.mod_revision, [*wipe, put(layout.marker, value)])


class _Session:
    """A client for one copy; what etcd refuses becomes StoreUnusable."""

    def __init__(self, options: EtcdOptions) -> None:
        self.layout = Layout(options.prefix)
        self._options = options
        self._place = f"{','.join(options.endpoints)}{options.prefix}"

    def deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._options.open_timeout_s

    async def __aenter__(self) -> "_Session":
        try:
            self.client = EtcdClient(self._options)
        except OSError as error:
            raise StoreUnusable(self._place, f"its certificate files cannot be used: {error}") from error
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.client.close()
        if isinstance(error, Foreign | Refused | Unanswered):
            raise StoreUnusable(self._place, str(error)) from error

    async def while_held(self, held: int, operations: list[dict[str, object]]) -> int:
        """Do the operations if the marker is still at `held`; returns etcd's revision of it. May be sent twice."""
        value = next((one["request_put"] for one in operations if _puts(one, self.layout.marker)), None)
        request = {
            "compare": [unchanged(self.layout.marker, held)],
            "success": operations,
            "failure": [{"request_range": {"key": self.layout.marker}}],
        }
        answer, repeated = await self.client.call("/v3/kv/txn", request, TxnAnswer, deadline=self.deadline())
        if answer.succeeded:
            return answer.header.revision
        for pair in answer.read():
            # Our own earlier sending, whose answer was lost, moved the marker.
            if repeated and isinstance(value, dict) and pair.value == value["value"]:
                return pair.mod_revision
        raise Foreign("is being restored by somebody else")


def _puts(operation: dict[str, object], key: bytes) -> bool:
    request = operation.get("request_put")
    return isinstance(request, dict) and request["key"] == key
