"""How many durable writes a second the embedded store acknowledges, next to bare SQLite in the same run.

The yardstick is a loop that inserts one row a transaction with the same settings (WAL, synchronous=FULL, one
fsync each), which is what a store without group commit could reach at best. Run: python -m bench.store
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from master.store.sqlite import SqliteOptions, SqliteStore

WRITERS = (1, 16, 64)
# About the size of a Lease in JSON.
VALUE = b"x" * 700


def bare_inserts_per_s(path: Path, seconds: float) -> float:
    """One insert a transaction, as fast as SQLite and the disk can."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, key TEXT, value BLOB)")
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            connection.execute("INSERT INTO bare (key, value) VALUES (?, ?)", (f"/bare/{count}", VALUE))
            count += 1
        return count / (time.perf_counter() - start)


async def _writes_per_s(writers: int, seconds: float, write: Callable[[str, int], Awaitable[int]]) -> float:
    start = time.perf_counter()

    async def writer(number: int) -> int:
        count = 0
        while time.perf_counter() < start + seconds:
            await write(f"/bench/{writers}/{number}", count)
            count += 1
        return count

    counts = await asyncio.gather(*(writer(number) for number in range(writers)))
    return sum(counts) / (time.perf_counter() - start)


async def _measure(path: Path, writers: int, seconds: float) -> tuple[float, float]:
    """Creates a second (a new key each) and updates a second (one key a writer)."""
    store = SqliteStore(SqliteOptions(path=path))
    await store.open()
    creates = await _writes_per_s(writers, seconds, lambda prefix, count: store.create(f"{prefix}/{count}", VALUE))
    updates = await _writes_per_s(writers, seconds, lambda prefix, _: store.update(f"{prefix}/0", VALUE, expected=None))
    await store.close()
    return creates, updates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--folder", type=Path, default=None, help="where to write; the disk matters")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        bare = bare_inserts_per_s(Path(name, "bare.db"), options.seconds)
        print(f"bare sqlite3, one insert a transaction: {bare:8.0f}/s")
        for writers in WRITERS:
            creates, updates = asyncio.run(_measure(Path(name, f"{writers}.db"), writers, options.seconds))
            print(
                f"store, {writers:2} writers: create {creates:8.0f}/s ({creates / bare:5.2f} of bare)"
                f"   update {updates:8.0f}/s ({updates / bare:5.2f} of bare)"
            )


if __name__ == "__main__":
    main()
