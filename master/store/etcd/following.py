"""Keeps the local state equal to etcd's, by one watch on the prefix.

The rule: local state is changed here and nowhere else, by etcd's events in etcd's order; our own writes come
back the same way as those of other masters. `reach` is how a writer waits until its write is visible here.

The watch is resumed at the next member from the revision after the last one seen. A member that is frozen or cut off
from its leader says nothing, so the watch's member is probed by a linearizable read every `probe_s`, and at once when
a call to it failed or a writer waits in vain. If etcd has compacted what we missed, everything is read anew and
followers hear of the difference. If etcd has gone back in time or is another cluster, nothing is written any more:
going on would use revisions twice.
"""

import asyncio
import logging
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import msgspec

from master.store.contract import Change, Record, StoreBroken, StoreClosed
from master.store.etcd.client import EtcdClient, Refused, Unanswered, decode
from master.store.etcd.content import Content, Foreign, difference, read_content
from master.store.etcd.endpoint import Connection, Endpoint
from master.store.etcd.layout import Layout, unseal
from master.store.etcd.messages import Event, RangeAnswer, WatchAnswer, WatchResult
from master.store.etcd.options import EtcdOptions
from master.store.state import State

log = logging.getLogger(__name__)

_STALL_S = 1.0
_PAUSE_S = 0.1
# So many probes without an answer, of one member after the other, and etcd counts as away.
_SILENT_PROBES = 4


class Follower:
    """The local state and what keeps it current."""

    def __init__(self, client: EtcdClient, layout: Layout, options: EtcdOptions, content: Content) -> None:
        self.state = State(options, content.records, content.last_change + content.offset)
        self.offset = content.offset
        self.compact = content.compact
        # How often changes were missed for good.
        self.gaps = 0
        self.broken: str | None = None
        self._client = client
        self._layout = layout
        self._options = options
        self._tombs = content.tombs
        self._marker = content.marker
        self._cluster_id = content.cluster_id
        # etcd's revision up to which all is applied here.
        self.applied = content.revision
        self._heard = asyncio.get_running_loop().time()
        self._tickets: dict[bytes, int] = {}
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._member = client.member
        self._connection: Connection | None = None
        self._compacted = False
        self._suspicion = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        client.on_failure = self._suspect

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._follow(), name="etcd-watch"),
            loop.create_task(self._probe(), name="etcd-probe"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("etcd task ended unexpectedly name=%s", task.get_name(), exc_info=error)
            self._break(f"{task.get_name()} ended: {error}")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._client.on_failure = lambda _: None
        self._wake_all(StoreClosed("the store is closed"))

    @property
    def fault(self) -> str:
        """Why nothing can be written; empty while a majority of etcd answers."""
        if self.broken is not None:
            return self.broken
        silent_s = asyncio.get_running_loop().time() - self._heard
        return (
            f"etcd has not answered for {silent_s:.0f} s" if silent_s > _SILENT_PROBES * self._options.probe_s else ""
        )

    # For writers.

    def tomb(self, key: str) -> int:
        """The mod revision of the tombstone of the key's shard; 0 when it has none."""
        return self._tombs.get(self._layout.tomb(key), 0)

    def expect(self, write_id: bytes) -> None:
        """Look out for the write of this id from now on."""
        self._tickets[write_id] = 0

    def seen(self, write_id: bytes) -> int:
        """The mod revision at which an expected write was seen, or 0."""
        return self._tickets[write_id]

    def forget(self, write_id: bytes) -> None:
        del self._tickets[write_id]

    async def reach(self, revision: int, deadline: float) -> None:
        """Wait until etcd's `revision`, one of a change under the prefix, is applied here.

        Raises TimeoutError, StoreBroken, StoreClosed.
        """
        if self.broken is not None:
            raise StoreBroken(self.broken)
        if revision <= self.applied:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        heappush(self._waiters, (revision, next(self._numbers), waiter))
        stalls = 0
        while not waiter.done():
            if loop.time() >= deadline:
                waiter.cancel()
                raise TimeoutError(f"revision {revision + self.offset} did not come by the watch")
            await asyncio.wait({waiter}, timeout=min(_STALL_S, max(0.0, deadline - loop.time())))
            stalls += 1
            if not waiter.done():
                self._suspicion.set()
                if stalls % 3 == 0:  # the member answers and yet its watch is silent
                    self._abandon(self._member, "its watch brings nothing")
        waiter.result()

    # The watch.

    async def _follow(self) -> None:
        while self.broken is None:
            reloading = self._compacted
            try:
                if reloading:
                    await self._reload()
                await self._watch()
            except (OSError, TimeoutError, Refused, Unanswered) as error:
                if self._compacted and not reloading:
                    continue
                problem, left = str(error) or "did not answer in time", self._member
                self._member = self._client.after(left)
                log.warning("etcd watch ended member=%s problem=%s next=%s", left, problem, self._member)
                await asyncio.sleep(_PAUSE_S)
            except Foreign as problem:
                self._break(f"the prefix {self._options.prefix} {problem}")

    async def _watch(self) -> None:
        """Apply what comes until the connection ends; always ends with an error."""
        connection = await self._client.dial(self._member)
        self._connection = connection
        create = {
            "key": self._layout.first,
            "range_end": self._layout.end,
            "start_revision": self.applied + 1,
        }
        body = msgspec.json.encode({"create_request": create})
        try:
            # hasleader: a member that loses its leader ends the watch instead of keeping silent.
            status, content = await connection.request(
                "/v3/watch", body, headers="Grpc-Metadata-hasleader: true\r\n", on_data=_Lines(self._on_line)
            )
        finally:
            connection.close()
            self._connection = None
        raise OSError(f"{connection.endpoint} ended the watch status={status} {content[:200].decode(errors='replace')}")

    def _on_line(self, line: bytes) -> None:
        answer = decode(line, WatchAnswer)
        if answer.error is not None:
            raise OSError(answer.error.message or f"watch error {answer.error.grpc_code}")
        if answer.result is not None:
            self._on_result(answer.result)

    def _on_result(self, result: WatchResult) -> None:
        if result.header.cluster_id != self._cluster_id:
            self._break(f"{self._member} belongs to another etcd cluster")
        elif result.canceled:
            self._compacted = result.compact_revision > 0
            raise OSError(f"watch cancelled: {result.cancel_reason or result.compact_revision}")
        elif result.events:
            try:
                self._apply(result.events)
            except Exception as error:  # a door: half a batch may be applied, so nothing more may be
                log.exception("etcd events could not be applied revision=%d", result.header.revision)
                self._break(f"changes of etcd could not be followed: {error}")

    def _apply(self, events: list[Event]) -> None:
        after: dict[str, Record | None] = {}
        changes = []
        for event in events:
            if self._layout.is_own(event.kv.key):
                self._apply_own(event)
            elif (change := self._change(event, after)) is not None:
                changes.append(change)
        last = events[-1].kv.mod_revision
        self.applied = max(self.applied, last)
        self.state.commit(changes, last + self.offset)
        self._wake()

    def _change(self, event: Event, after: dict[str, Record | None]) -> Change | None:
        """The contract's change of an event that follows those of `after`, which it joins."""
        key = self._layout.contract_key(event.kv.key)
        if key is None:
            log.error("etcd key is not a store's key=%r", event.kv.key)
            return None
        before = after[key] if key in after else self.state.records.get(key)
        previous = None if before is None else before.value
        revision = event.kv.mod_revision + self.offset
        if event.type == "DELETE":
            after[key] = None
            return None if before is None else Change(key, None, previous, revision, False)
        value, write_id = unseal(event.kv.value)
        self._note(write_id, event.kv.mod_revision)
        after[key] = Record(key, value, revision)
        return Change(key, value, previous, revision, before is None)

    def _apply_own(self, event: Event) -> None:
        pair = event.kv
        if self._layout.is_tomb(pair.key):
            self._tombs[pair.key] = 0 if event.type == "DELETE" else pair.mod_revision
            self._note(pair.value, pair.mod_revision)
        elif pair.key == self._layout.compact:
            self.compact = 0 if event.type == "DELETE" else pair.mod_revision
        elif pair.key == self._layout.marker and pair.value != self._marker:
            self._break(f"the marker of prefix {self._options.prefix} was changed: is it being restored?")

    def _note(self, write_id: bytes, revision: int) -> None:
        if write_id in self._tickets:
            self._tickets[write_id] = revision

    async def _reload(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._options.open_timeout_s
        content = await read_content(self._client, self._layout, deadline)
        self.same_etcd(content.cluster_id, content.revision, self.applied)
        if self.broken is not None:
            return
        self._compacted = False
        if content.last_change + self.offset > self.state.revision:
            self._catch_up(content)
        self.applied = content.revision
        self._wake()

    def _catch_up(self, content: Content) -> None:
        known = self.state.revision
        changes = difference(self.state.records, known, content, self._layout)
        log.warning("etcd compacted unseen changes revision=%d changes=%d", content.last_change, len(changes))
        self.gaps += 1
        self._tombs, self.compact = content.tombs, content.compact
        for write_id, revision in content.write_ids.items():
            self._note(write_id, revision)
        self.state.catch_up(changes, content.last_change + self.offset)

    # Is the watch's member alive, and the one we knew?

    def _suspect(self, member: Endpoint) -> None:
        if member == self._member:
            self._suspicion.set()

    async def _probe(self) -> None:
        while self.broken is None:
            try:
                async with asyncio.timeout(self._options.probe_s):
                    await self._suspicion.wait()
                await asyncio.sleep(_PAUSE_S)
            except TimeoutError:
                pass
            self._suspicion.clear()
            await self._probe_once(self._member)

    async def _probe_once(self, member: Endpoint) -> None:
        request = {"key": self._layout.marker, "keys_only": True}
        # As of now: the watch may overtake the answer, but the read is not older than its question.
        applied = self.applied
        try:
            answer = await self._client.probe(member, "/v3/kv/range", request, RangeAnswer)
        except (OSError, TimeoutError, Refused, Unanswered) as error:
            self._abandon(member, str(error) or "did not answer in time")
            return
        self._heard = asyncio.get_running_loop().time()
        self.same_etcd(answer.header.cluster_id, answer.header.revision, applied)

    def _abandon(self, member: Endpoint, problem: str) -> None:
        """Let the watch go on at another member."""
        if self._connection is not None and self._connection.endpoint == member:
            log.warning("etcd member left member=%s problem=%s", member, problem)
            self._connection.close()

    def same_etcd(self, cluster_id: int, revision: int, applied: int) -> None:
        """Break if an answer to what was asked when `applied` was reached shows another etcd, or an older one."""
        if cluster_id != self._cluster_id:
            self._break("etcd is another cluster than before")
        elif revision < applied:
            self._break(f"etcd went back from revision {applied} to {revision}: was it restored?")

    # Those who wait.

    def _break(self, problem: str) -> None:
        """Nothing can be trusted any more: say so to everyone, until the store is opened anew."""
        if self.broken is None:
            log.error("etcd store broken problem=%s", problem)
            self.broken = f"the store must be opened anew: {problem}"
            if self._connection is not None:
                self._connection.close()
            self.state.broadcast.close()
            self._wake_all(StoreBroken(self.broken))

    def _wake(self) -> None:
        while self._waiters and self._waiters[0][0] <= self.applied:
            waiter = heappop(self._waiters)[2]
            if not waiter.done():
                waiter.set_result(None)

    def _wake_all(self, error: StoreBroken | StoreClosed) -> None:
        for _, _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiters.clear()


class _Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._rest: list[bytes] = []

    def __call__(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = b"".join((*self._rest, line))
            self._rest.clear()
            if whole:
                self._on_line(whole)
        if rest:
            self._rest.append(rest)
