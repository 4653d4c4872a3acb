"""The round that puts claims right is due by the clock, however much is let go meanwhile."""

import asyncio
from pathlib import Path

from api.core import Service
from api.resources import resource_of
from master.apiserver.allocators import Addresses, Numbers
from master.apiserver.cache import Cache, Event, Item
from master.apiserver.claims import PREFIX, SharedNumbers
from master.apiserver.registry import Registry
from master.apiserver.service_numbers import ServiceNumbers
from master.store.sqlite import SqliteOptions, SqliteStore

ORPHAN = f"{PREFIX}nodeports/30007"


def test_a_busy_master_looks_for_orphans_too(tmp_path: Path) -> None:
    asyncio.run(_orphan_ends(tmp_path))


async def _orphan_ends(folder: Path) -> None:
    store = SqliteStore(SqliteOptions(path=folder / "state.db"))
    await store.open()
    try:
        cache = Cache()
        numbers = ServiceNumbers(Addresses("10.96.0.0/24"), Numbers(30000, 30099))
        claims = SharedNumbers(Registry(store, cache), numbers, orphan_s=0.1, round_s=0.2)
        await claims.start()
        busy = asyncio.create_task(_let_go_all_the_time(claims, cache))
        try:
            await store.create(ORPHAN, b"nobody's")
            async with asyncio.timeout(60):
                while store.get(ORPHAN) is not None:
                    await asyncio.sleep(0.01)
        finally:
            busy.cancel()
            await claims.stop()
    finally:
        await store.close()


async def _let_go_all_the_time(claims: SharedNumbers, cache: Cache) -> None:
    table = cache.table(resource_of(Service))
    value = b'{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"clusterIP":"10.96.0.9"}}'
    gone = Event(Item(table, table.key("default", "a"), value, 1), None, 2)
    while True:
        claims.offer([gone])
        await asyncio.sleep(0)
