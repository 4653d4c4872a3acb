"""What was acknowledged is never lost, and what was refused was never written."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from master.store.contract import Record, StoreBroken
from master.store.sqlite import SqliteOptions, SqliteStore

ROUNDS = int(os.environ.get("STEERSMAN_CRASH_ROUNDS", "8"))
ROOT = Path(__file__).parents[2]

# Sixteen writers, each on keys of its own, create, update and delete. Each acknowledged write is one line
# on the pipe, written at once: "operation key value revision".
WRITER = """
import asyncio, os, pathlib, random, sys
from master.store.sqlite import SqliteOptions, SqliteStore

async def write(store, writer):
    for count in range(1_000_000):
        key = f"/pods/{writer}/{random.randrange(5)}"
        value = f"{store.revision}-{count}"
        if store.get(key) is None:
            operation, revision = "put", await store.create(key, value.encode() + b" " * random.randrange(3000))
        elif random.random() < 0.3:
            operation, revision = "drop", await store.delete(key, expected=None)
        else:
            operation, revision = "put", await store.update(key, value.encode(), expected=None)
        os.write(1, f"{operation} {key} {value} {revision}\\n".encode())

async def main():
    path = pathlib.Path(sys.argv[1])
    store = SqliteStore(SqliteOptions(path=path, wal_pages=40, wal_pages_max=80))
    await store.open()
    os.write(1, f"open - - {store.revision}\\n".encode())
    await asyncio.gather(*(write(store, writer) for writer in range(16)))

asyncio.run(main())
"""


def written_until_killed(path, lines_max):
    """Run the writer, kill it -9 after some acknowledged writes, return all it acknowledged."""
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                if len(lines) == lines_max:
                    process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    return [line.split() for line in lines if line.endswith("\n")]


def apply(acknowledged, writes, used):
    """Enter writes into the map of what is acknowledged: key -> (revision, value or None)."""
    for operation, key, value, text in writes:
        revision = int(text)
        assert revision not in used
        used.add(revision)
        acknowledged[key] = revision, None if operation == "drop" else value


def compare(store, acknowledged):
    """Each key holds its last acknowledged write, or one that came after it and was cut off."""
    for key, (revision, value) in acknowledged.items():
        record = store.get(key)
        if record is not None and record.revision > revision:
            continue
        # Gone although its last acknowledged write stored it: only by a later delete, which then took a revision.
        if record is None:
            assert value is None or store.revision > revision
            continue
        assert (record.revision, record.value.decode().rstrip()) == (revision, value)


async def look(path, acknowledged, used):
    store = SqliteStore(SqliteOptions(path=path))
    await store.open()
    compare(store, acknowledged)
    assert store.revision >= max(used, default=0)
    # What the killed process had committed without telling counts as acknowledged from here on.
    lost_tail = [key for key in acknowledged if store.get(key) is None and acknowledged[key][1] is not None]
    assert len(lost_tail) <= 16
    for record in store.load(""):
        acknowledged[record.key] = record.revision, record.value.decode().rstrip()
    for key in lost_tail:
        acknowledged[key] = store.revision, None
    used.update(range(1, store.revision + 1))
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.timeout(60 + 3 * ROUNDS)
def test_kill_9_loses_nothing_acknowledged_and_repeats_no_revision(tmp_path):
    path, acknowledged, used = tmp_path / "state.db", {}, set()
    for _ in range(ROUNDS):
        (_, _, _, opened_at), *writes = written_until_killed(path, random.randrange(1, 2500))
        assert int(opened_at) == max(used, default=0)
        apply(acknowledged, writes, used)
        asyncio.run(look(path, acknowledged, used))


LIMIT = """
import asyncio, pathlib, resource, sys
from master.store.contract import StoreBroken
from master.store.sqlite import SqliteOptions, SqliteStore

def limit_files(size=resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def reopened(store):
    await store.open()
    content = store.load(""), store.revision
    await store.close()
    return content
"""

FULL_LOG = """
async def main():
    path = pathlib.Path(sys.argv[1])
    store = SqliteStore(SqliteOptions(path=path))
    await store.open()
    heard = []
    store.subscribe(heard.extend)
    for n in range(10):
        await store.create(f"/pods/{n}", b"x" * 5000)
    before = store.load(""), store.revision, len(heard)
    limit_files((path.parent / "state.db-wal").stat().st_size + 20_000)
    writes = [store.create(f"/more/{n}", b"y" * 9000) for n in range(20)]
    writes.append(store.update("/pods/1", b"z", expected=None))
    writes.append(store.delete("/pods/2", expected=None))
    refused = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(one) for one in refused} == {StoreBroken}, refused
    assert (store.load(""), store.revision, len(heard)) == before
    limit_files()
    assert await store.create("/more/0", b"y") == 11
    assert await store.update("/pods/1", b"z", expected=2) == 12
    content = store.load(""), 12
    await store.close()
    assert await reopened(store) == content

asyncio.run(main())
"""

# The log is short enough to be written on; what cannot grow is the database it should be copied into.
FULL_DATABASE = """
async def main():
    path = pathlib.Path(sys.argv[1])
    store = SqliteStore(SqliteOptions(path=path, wal_pages=10, wal_pages_max=20))
    limit_files(400_000)
    await store.open()
    broken = 0
    for n in range(100):
        try:
            await store.create(f"/pods/{n}", b"x" * 7000)
        except StoreBroken:
            broken += 1
    assert 0 < broken < 90, broken
    content = store.load(""), store.revision
    assert len(content[0]) == store.revision == 100 - broken
    await store.close()
    assert await reopened(store) == content
    limit_files()
    await store.open()
    for n in range(100):
        await store.create(f"/later/{n}", b"x" * 7000)
    content = store.load(""), store.revision
    await store.close()
    assert await reopened(store) == content

asyncio.run(main())
"""


@pytest.mark.parametrize("program", [FULL_LOG, FULL_DATABASE], ids=["log", "database"])
def test_a_file_that_may_not_grow_refuses_writes_and_changes_nothing(tmp_path, program):
    command = [sys.executable, "-c", LIMIT + program, tmp_path / "state.db"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


async def test_a_full_database_refuses_its_writers_and_takes_others_again(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db")
    await store.create("/pods/a", b"1")
    connection = store._live().database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + 1}")
    results = await asyncio.gather(
        store.create("/pods/b", b"x" * 100_000),
        store.create("/pods/a", b"2"),
        store.update("/pods/a", b"3", expected=1),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["StoreBroken", "KeyExists", "StoreBroken"]
    assert isinstance(results[0].__cause__, sqlite3.Error)
    assert store.load("") == [Record("/pods/a", b"1", 1)]
    assert await store.create("/pods/b", b"small") == 2
    await store.close()


async def test_a_refusal_that_rested_on_a_failed_write_is_decided_afresh(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db")
    connection = store._live().database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + 1}")
    too_big, small = await asyncio.gather(
        store.create("/pods/b", b"x" * 100_000), store.create("/pods/b", b"small"), return_exceptions=True
    )
    assert isinstance(too_big, StoreBroken)
    assert small == 1
    await store.close()


@pytest.mark.parametrize("writes", [2000, 5000])
async def test_more_writes_than_a_transaction_may_hold_all_arrive_in_order(open_store, tmp_path, writes):
    store = await open_store(tmp_path / "state.db")
    batches = []
    store.subscribe(lambda changes: batches.append(len(changes)))
    revisions = await asyncio.gather(*(store.create(f"/pods/{n}", b"") for n in range(writes)))
    await store.close()
    assert revisions == list(range(1, writes + 1))
    assert max(batches) <= 1024


async def test_writes_of_turns_that_follow_each_other_share_a_commit(open_store, tmp_path):
    """As of clients that were answered together: a request is read in one turn and writes in the next."""
    store = await open_store(tmp_path / "state.db")
    batches = []
    store.subscribe(lambda changes: batches.append(len(changes)))

    async def write_after(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
        return await store.create(f"/pods/{turns}", b"")

    await asyncio.gather(*(write_after(turns) for turns in range(10)))
    assert batches == [10]
    assert await store.create("/pods/alone", b"") == 11
    assert batches == [10, 1]
