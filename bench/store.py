"""How many durable writes a second each backend of the store acknowledges, next to a bare yardstick in the same run.

SQLite's yardstick is a loop that inserts one row a transaction with the same settings (WAL, synchronous=FULL, one
fsync each), which is what a store without group commit could reach at best. etcd's is plain puts through the same
client and as many connections, without compares, watch or local state. A writer has one write under way at a time.
etcd runs as one member on loopback, here, on the same processors. Run: python -m bench.store
"""

import argparse
import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from master.store.contract import Store
from master.store.etcd.client import EtcdClient
from master.store.etcd.messages import HeaderAnswer
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from master.store.snapshot import restore, save
from master.store.sqlite import SqliteOptions, SqliteStore
from tests.store.etcd_members import Members

WRITERS = (1, 16, 64)
# About the size of a Lease in JSON.
VALUE = b"x" * 700
BARE_INSERT = "INSERT INTO bare (key, value) VALUES (?, ?)"


def bare_table(path: Path) -> sqlite3.Connection:
    """An empty table with the settings of a store; each statement is a transaction unless one is begun."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, key TEXT, value BLOB)")
    return connection


def bare_inserts_per_s(path: Path, seconds: float) -> float:
    """One insert a transaction, as fast as SQLite and the disk can."""
    with closing(bare_table(path)) as connection:
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            connection.execute(BARE_INSERT, (f"/bare/{count}", VALUE))
            count += 1
        return count / (time.perf_counter() - start)


async def _writes_per_s(
    writers: int, seconds: float, write: Callable[[str, int], Awaitable[object]]
) -> tuple[float, float]:
    """Writes a second, and the microseconds of this process for each."""
    start, busy = time.perf_counter(), time.process_time()

    async def writer(number: int) -> int:
        count = 0
        while time.perf_counter() < start + seconds:
            await write(f"/bench/{writers}/{number}", count)
            count += 1
        return count

    count = sum(await asyncio.gather(*(writer(number) for number in range(writers))))
    return count / (time.perf_counter() - start), (time.process_time() - busy) / count * 1e6


async def _bare_puts_per_s(options: EtcdOptions, writers: int, seconds: float) -> float:
    client = EtcdClient(options)

    async def put(prefix: str, count: int) -> None:
        request = {"key": f"/bare{prefix}/{count}".encode(), "value": VALUE}
        deadline = asyncio.get_running_loop().time() + 30
        await client.call("/v3/kv/put", request, HeaderAnswer, deadline=deadline)

    per_s, _ = await _writes_per_s(writers, seconds, put)
    client.close()
    return per_s


async def _measure(store: Store, writers: int, seconds: float) -> str:
    """Creates a second (a new key each) and updates a second (one key a writer)."""
    await store.open()
    creates, create_us = await _writes_per_s(
        writers, seconds, lambda prefix, count: store.create(f"{prefix}/{count}", VALUE)
    )
    updates, update_us = await _writes_per_s(
        writers, seconds, lambda prefix, _: store.update(f"{prefix}/0", VALUE, expected=None)
    )
    await store.close()
    return (
        f"create {creates:7.0f}/s {create_us:5.0f} µs of processor each, "
        f"update {updates:7.0f}/s {update_us:5.0f} µs of processor each"
    )


def _measure_sqlite(folder: Path, seconds: float) -> None:
    bare = bare_inserts_per_s(folder / "bare.db", seconds)
    print(f"sqlite, bare, one insert a transaction: {bare:.0f}/s")
    for writers in WRITERS:
        store = SqliteStore(SqliteOptions(path=folder / f"{writers}.db"))
        print(f"sqlite, {writers:2} writers: {asyncio.run(_measure(store, writers, seconds))}")


def _measure_etcd(folder: Path, seconds: float) -> None:
    with Members(folder / "etcd") as members:
        for writers in WRITERS:
            options = EtcdOptions(endpoints=members.endpoints, prefix=f"/bench-{writers}")
            bare = asyncio.run(_bare_puts_per_s(options, writers, seconds))
            print(f"etcd,   {writers:2} writers: bare puts {bare:.0f}/s")
            print(f"etcd,   {writers:2} writers: {asyncio.run(_measure(EtcdStore(options), writers, seconds))}")
        _measure_snapshots(folder / f"{WRITERS[-1]}.db", options, folder)


def _measure_snapshots(sqlite_path: Path, etcd: EtcdOptions, folder: Path) -> None:
    """Of what the creates above left behind."""
    for name, source, target in (
        ("sqlite", sqlite_path, folder / "restored.db"),
        ("etcd", etcd, EtcdOptions(endpoints=etcd.endpoints, prefix="/restored")),
    ):
        file = folder / f"{name}.snapshot"
        start = time.perf_counter()
        saved = save(source, file)
        middle = time.perf_counter()
        restore(file, target)
        end = time.perf_counter()
        print(
            f"{name}, snapshot of {saved.records} records, {saved.bytes / 1e6:.0f} MB: "
            f"saved in {middle - start:.2f} s, restored in {end - middle:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--folder", type=Path, default=None, help="where to write; the disk matters")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        _measure_sqlite(Path(name), options.seconds)
        if shutil.which("etcd") is None:
            print("etcd:   not measured, no etcd here (Debian: etcd-server)")
        else:
            _measure_etcd(Path(name), options.seconds)


if __name__ == "__main__":
    main()
