"""One write: what is sent, and what came of it. The rule is in the package's docstring."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from master.store.contract import OutcomeUnknown, Record, StoreBroken, StoreError
from master.store.etcd.client import EtcdClient, Refused, Unanswered
from master.store.etcd.following import Follower
from master.store.etcd.layout import Layout, WriteIds, seal
from master.store.etcd.messages import TxnAnswer, delete, put, read_revision, unchanged

_MAYBE, _NOTHING = "it may have been written", "nothing was written"

Refuse = Callable[[Record | None], StoreError | None]


class Turns:
    """Writes of one key, one after the other, in the order of the calls."""

    def __init__(self) -> None:
        self._last: dict[str, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """To be entered in the order of the calls; ends the turn also when the wait for it was cancelled."""
        before = self._last.get(key)
        mine = self._last[key] = asyncio.get_running_loop().create_future()
        try:
            if before is not None:
                await before
            yield
        finally:
            if self._last[key] is mine:
                del self._last[key]
            mine.set_result(None)


class Writer:
    """Writes of one open store."""

    def __init__(self, client: EtcdClient, layout: Layout, follower: Follower, *, timeout_s: float) -> None:
        self._client = client
        self._layout = layout
        self._follower = follower
        self._timeout_s = timeout_s
        self._ids = WriteIds()
        self._turns = Turns()

    async def write(self, key: str, value: bytes | None, refuse: Refuse) -> int:
        """Returns the store's revision of the write once it is visible here; None deletes."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        async with self._turns.of(key):
            return await self._write_in_turn(key, value, refuse, deadline)

    async def _write_in_turn(self, key: str, value: bytes | None, refuse: Refuse, deadline: float) -> int:
        confirmed = False
        while True:
            if self._follower.broken is not None:
                raise StoreBroken(self._follower.broken)
            current = self._follower.state.records.get(key)
            refusal = refuse(current)
            if refusal is not None and confirmed:
                raise refusal
            if refusal is None:
                revision = await self._attempt(key, value, current, deadline)
                if revision is not None:
                    return revision + self._follower.offset
            else:
                await self._catch_up(key, deadline, _NOTHING)
            confirmed = True

    async def _catch_up(self, key: str, deadline: float, outcome: str) -> None:
        """Let local state reach what etcd's members agree the key to be at now, its deletes included.

        `outcome` is what is known of the write when that fails.
        """
        request = {"success": [read_revision(self._layout.key(key)), read_revision(self._layout.tomb(key))]}
        try:
            answer, _ = await self._client.call("/v3/kv/txn", request, TxnAnswer, deadline=deadline)
        except (Refused, Unanswered) as error:
            kind = OutcomeUnknown if outcome == _MAYBE else StoreBroken
            raise kind(f"{outcome}, and etcd did not tell more: {error}") from error
        newest = max((pair.mod_revision for pair in answer.read()), default=0)
        await self._reach(newest, deadline, outcome)

    async def _attempt(self, key: str, value: bytes | None, current: Record | None, deadline: float) -> int | None:
        """etcd's revision of the write; None when it was not made and never will be."""
        write_id, gaps, applied = self._ids.next(), self._follower.gaps, self._follower.applied
        request = self._transaction(key, value, current, write_id)
        self._follower.expect(write_id)
        try:
            try:
                answer, repeated = await self._client.call("/v3/kv/txn", request, TxnAnswer, deadline=deadline)
            except (Refused, Unanswered) as error:
                if seen := self._follower.seen(write_id):
                    return seen
                raise _failed(error) from error
            self._follower.same_etcd(answer.header.cluster_id, answer.header.revision, applied)
            if answer.succeeded:
                await self._reach(answer.header.revision, deadline, "it was written")
                return answer.header.revision
            await self._catch_up(key, deadline, _MAYBE if repeated else _NOTHING)
            seen = self._follower.seen(write_id)
            if not seen and repeated and self._follower.gaps != gaps:
                raise OutcomeUnknown(f"key {key}: etcd compacted the changes that would tell whether it was written")
            return seen or None
        finally:
            self._follower.forget(write_id)

    def _transaction(self, key: str, value: bytes | None, current: Record | None, write_id: bytes) -> dict[str, Any]:
        stored, tomb = self._layout.key(key), self._layout.tomb(key)
        compare = [unchanged(stored, 0 if current is None else current.revision - self._follower.offset)]
        if current is None:
            compare.append(unchanged(tomb, self._follower.tomb(key)))
        success = [delete(stored), put(tomb, write_id)] if value is None else [put(stored, seal(value, write_id))]
        # What there is instead is read only when it failed: reads here cost etcd a sixth of each write.
        return {"compare": compare, "success": success}

    async def _reach(self, revision: int, deadline: float, outcome: str) -> None:
        try:
            await self._follower.reach(revision, deadline)
        except (TimeoutError, StoreBroken) as error:
            kind = StoreBroken if outcome == _NOTHING else OutcomeUnknown
            raise kind(f"{outcome}, but {error}") from error


def _failed(error: Refused | Unanswered) -> StoreBroken:
    """What to tell of a write that etcd refused or left unanswered, and that was not seen."""
    if error.sent:
        return OutcomeUnknown(f"etcd did not tell whether it was written: {error}")
    return StoreBroken(f"etcd did not take the write: {error}")
