"""The contract's store on etcd. See the package for the rules."""

import asyncio
import logging
from collections.abc import Callable

from master.store.batch import check_write, refuse_change, refuse_create
from master.store.contract import Change, Record, StoreBroken, StoreClosed, StoreUnusable, Subscription
from master.store.etcd.client import EtcdClient, Refused, Unanswered
from master.store.etcd.compaction import compact_regularly
from master.store.etcd.content import Foreign, claim, read_content, read_marker
from master.store.etcd.following import Follower
from master.store.etcd.layout import Layout, Marker
from master.store.etcd.options import EtcdOptions
from master.store.etcd.writing import Refuse, Writer

log = logging.getLogger(__name__)


class _Opened:
    """All that exists only between open and close."""

    def __init__(self, options: EtcdOptions, client: EtcdClient, layout: Layout, follower: Follower) -> None:
        self.follower = follower
        self.writer = Writer(client, layout, follower, timeout_s=options.write_timeout_s)
        self.writes: set[asyncio.Task[int]] = set()
        self._client = client
        self._compaction: asyncio.Task[None] | None = None
        follower.start()
        if options.compact_s > 0:
            self._compaction = asyncio.get_running_loop().create_task(
                compact_regularly(client, layout, follower, interval_s=options.compact_s), name="etcd-compaction"
            )
            self._compaction.add_done_callback(_log_unexpected_end)

    async def close(self) -> None:
        if self._compaction is not None:
            self._compaction.cancel()
            await asyncio.wait({self._compaction})
        if self.writes:  # each is limited by its own time
            await asyncio.wait(set(self.writes))
        await self.follower.close()
        self._client.close()
        self.follower.state.broadcast.close()


def _log_unexpected_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("etcd task ended unexpectedly name=%s", task.get_name(), exc_info=error)


class EtcdStore:
    """The contract's Store on one prefix of one etcd cluster; many may be open at once, anywhere."""

    def __init__(self, options: EtcdOptions) -> None:
        self.options = options
        self._place = f"{','.join(options.endpoints)}{options.prefix}"
        self._opened: _Opened | None = None
        self._opening = False

    async def open(self) -> None:
        if self._opened is not None or self._opening:
            raise StoreUnusable(self._place, "is already open here")
        self._opening = True
        try:
            self._opened = await self._open()
        finally:
            self._opening = False
        log.info("store opened place=%s revision=%d", self._place, self.revision)

    async def _open(self) -> _Opened:
        layout = Layout(self.options.prefix)
        deadline = asyncio.get_running_loop().time() + self.options.open_timeout_s
        try:
            client = EtcdClient(self.options)
        except OSError as error:
            raise StoreUnusable(self._place, f"its certificate files cannot be used: {error}") from error
        try:
            pair, _ = await claim(client, layout, Marker(), deadline)
            read_marker(pair)
            content = await read_content(client, layout, deadline)
            return _Opened(self.options, client, layout, Follower(client, layout, self.options, content))
        except (Foreign, Refused, Unanswered) as error:
            client.close()
            raise StoreUnusable(self._place, str(error)) from error
        except BaseException:
            client.close()
            raise

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()
            log.info("store closed place=%s revision=%d", self._place, opened.follower.state.revision)

    @property
    def revision(self) -> int:
        return self._live().follower.state.revision

    @property
    def fault(self) -> str:
        return self._live().follower.fault

    def get(self, key: str) -> Record | None:
        return self._live().follower.state.records.get(key)

    def load(self, prefix: str) -> list[Record]:
        return self._live().follower.state.records.load(prefix)

    def watch(self, prefix: str, since: int | None) -> Subscription:
        follower = self._live().follower
        if follower.broken is not None:
            raise StoreBroken(follower.broken)
        return follower.state.watch(prefix, since)

    def subscribe(self, callback: Callable[[list[Change]], None]) -> Callable[[], None]:
        return self._live().follower.state.subscribe(callback)

    async def create(self, key: str, value: bytes) -> int:
        return await self._write(key, value, refuse_create)

    async def update(self, key: str, value: bytes, *, expected: int | None) -> int:
        return await self._write(key, value, lambda current: refuse_change(key, current, expected))

    async def delete(self, key: str, *, expected: int | None) -> int:
        return await self._write(key, None, lambda current: refuse_change(key, current, expected))

    async def _write(self, key: str, value: bytes | None, refuse: Refuse) -> int:
        check_write(key, b"" if value is None else value, value_bytes_max=self.options.value_bytes_max)
        live = self._live()
        # A task of its own: who stops waiting does not stop the write, and the connection stays in order.
        task = asyncio.get_running_loop().create_task(live.writer.write(key, value, refuse), name="etcd-write")
        live.writes.add(task)
        task.add_done_callback(live.writes.discard)
        task.add_done_callback(_told)
        return await asyncio.shield(task)

    def _live(self) -> _Opened:
        if self._opened is None:
            raise StoreClosed(f"store {self._place} is not open")
        return self._opened


def _told(task: asyncio.Task[int]) -> None:
    """The outcome of a write whose caller is gone is nobody's business."""
    if not task.cancelled():
        task.exception()
