"""The write-ahead log stays short, and commits go on while it is copied."""

import asyncio
import sqlite3
import threading
from contextlib import closing

LIMIT_S = 20


async def until(condition):
    """Wait until the condition holds, within a limit."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def heartbeats(store, *, nodes, rounds):
    """Every node's lease is renewed again and again."""
    await asyncio.gather(*(store.create(f"/leases/{node}", b"") for node in range(nodes)))
    for beat in range(rounds):
        value = b"%d" % beat + b"x" * 600
        await asyncio.gather(*(store.update(f"/leases/{node}", value, expected=None) for node in range(nodes)))


async def test_the_log_stays_bounded_under_twenty_thousand_heartbeats(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db", wal_pages=100, wal_pages_max=400)
    sizes = []
    store.subscribe(lambda _: sizes.append((tmp_path / "state.db-wal").stat().st_size))
    await heartbeats(store, nodes=100, rounds=200)
    await store.close()
    # One transaction may still be appended when the log is just below the bound.
    assert max(sizes) < (400 + 150) * 8300
    assert store._opened is None


async def test_the_gauge_agrees_with_sqlite(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db")
    for n in range(20):
        await store.create(f"/pods/{n}", b"x" * 9000)
    live = store._live()
    gauged = live.gauge.frames()
    _, frames, copied = live.database.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert gauged == frames == copied > 20
    await store.create("/pods/last", b"")
    assert 0 < live.gauge.frames() < frames
    await store.close()


async def test_an_idle_store_truncates_its_log(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db", idle_s=0.05)
    await store.create("/pods/a", b"x" * 50_000)
    log = tmp_path / "state.db-wal"
    await until(lambda: log.stat().st_size == 0)
    await store.create("/pods/b", b"")
    await until(lambda: log.stat().st_size == 0)
    await store.close()


async def test_a_reader_elsewhere_delays_nobody_and_the_log_shrinks_after_it(open_store, tmp_path, caplog):
    store = await open_store(tmp_path / "state.db", wal_pages=50, wal_pages_max=200)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        await heartbeats(store, nodes=20, rounds=150)
        assert store._live().gauge.frames() > 200
        assert caplog.text.count("store log cannot shrink") == 1
    await heartbeats_until_short(store)
    await store.close()


async def heartbeats_until_short(store):
    async with asyncio.timeout(LIMIT_S):
        while store._live().gauge.frames() > 200:
            await store.update("/leases/0", b"x" * 600, expected=None)


async def test_writers_wait_while_a_full_log_is_copied(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db", wal_pages=20, wal_pages_max=40)
    live, frames, go_on = store._live(), [], threading.Event()
    store.subscribe(lambda _: frames.append(live.gauge.frames()))
    live.checkpoints._pool.submit(go_on.wait, LIMIT_S)
    await store.create("/pods/first", b"x" * 9000)
    while live.gauge.frames() < 40:
        await store.update("/pods/first", b"x" * 9000, expected=None)
    writes = [asyncio.ensure_future(store.create(f"/pods/{n}", b"x" * 9000)) for n in range(10)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert not any(write.done() for write in writes)
    go_on.set()
    assert len(await asyncio.gather(*writes)) == 10
    await store.close()
    assert max(frames) < 40 + 10


async def test_closing_joins_the_checkpoint_thread(open_store, tmp_path):
    others = set(threading.enumerate())
    store = await open_store(tmp_path / "state.db", wal_pages=2, wal_pages_max=4)
    await heartbeats(store, nodes=5, rounds=5)
    await store.close()
    left = set(threading.enumerate()) - others
    assert not [thread.name for thread in left if thread.name.startswith("store-checkpoint")]
