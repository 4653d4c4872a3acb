"""A store is saved while its master runs and restored as a new one, on either backend."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from master.store.contract import Compacted, StoreUnusable
from master.store.etcd.client import EtcdClient
from master.store.etcd.content import claim
from master.store.etcd.layout import Layout, Marker
from master.store.etcd.messages import HeaderAnswer
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from master.store.snapshot import LEAP, SnapshotError, inspect, restore, save
from master.store.sqlite import SqliteOptions, SqliteStore
from tests.store.conftest import new_prefix

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "etcd"])
def source(request, tmp_path):
    return options_of(request.param, request, tmp_path / "source")


@pytest.fixture(params=["sqlite", "etcd"])
def target(request, tmp_path):
    return options_of(request.param, request, tmp_path / "target")


def options_of(kind, request, folder):
    if kind == "etcd":
        return EtcdOptions(endpoints=request.getfixturevalue("etcd").endpoints, prefix=new_prefix())
    folder.mkdir()
    return SqliteOptions(path=folder / "state.db")


def store_on(options):
    return EtcdStore(options) if isinstance(options, EtcdOptions) else SqliteStore(options)


def content(store):
    return [(record.key, record.value) for record in store.load("")]


async def filled(options, count=30):
    store = store_on(options)
    await store.open()
    await asyncio.gather(*(store.create(f"/pods/é/{n}", b"\xff\n" * n) for n in range(count)))
    await store.delete("/pods/é/7", expected=None)
    return store


async def test_what_was_saved_from_one_backend_is_restored_into_any(source, target, tmp_path):
    store, file = await filled(source), tmp_path / "a.snapshot"
    before, revision = content(store), store.revision
    saved = await asyncio.to_thread(save, store, file)
    assert (saved.revision, saved.records) == (revision, len(before))
    assert inspect(file) == saved
    # Written after the save and lost by the accident: seen by clients all the same.
    last = await store.create("/pods/late", b"")
    await store.close()
    assert await asyncio.to_thread(restore, file, target) == saved
    restored = store_on(target)
    await restored.open()
    assert content(restored) == before
    assert restored.revision >= revision + LEAP > last
    with pytest.raises(Compacted):
        restored.watch("", last)
    assert await restored.create("/pods/late", b"") > last + 1
    assert await restored.delete("/pods/é/1", expected=restored.get("/pods/é/1").revision) == restored.revision
    after = content(restored), restored.revision
    await restored.close()
    again = store_on(target)
    await again.open()
    assert (content(again), again.revision) == after
    await again.close()


async def test_a_snapshot_of_a_snapshot_is_the_same_content(source, target, tmp_path):
    store = await filled(source)
    await store.close()
    first = await asyncio.to_thread(save, source, tmp_path / "1.snapshot")
    await asyncio.to_thread(restore, tmp_path / "1.snapshot", target)
    second = await asyncio.to_thread(save, target, tmp_path / "2.snapshot")
    assert second.records == first.records
    assert second.revision >= first.revision + LEAP


async def test_saving_amid_writes_takes_one_moment_of_each_key_pair(source, tmp_path):
    """Two keys are always written one after the other, so the second is never ahead of the first."""
    store = store_on(source)
    await store.open()
    await asyncio.gather(store.create("/first", b"0"), store.create("/second", b"0"))
    stop = asyncio.Event()

    async def write():
        count = 0
        while not stop.is_set():
            count += 1
            await store.update("/first", b"%d" % count + b" " * 3000, expected=None)
            await store.update("/second", b"%d" % count + b" " * 3000, expected=None)
        return count

    writer = asyncio.ensure_future(write())
    for n in range(5):
        before = store.revision
        saved = await asyncio.to_thread(save, source, tmp_path / "a.snapshot")
        assert before <= saved.revision <= store.revision
        target = SqliteOptions(path=tmp_path / f"{n}.db")
        await asyncio.to_thread(restore, tmp_path / "a.snapshot", target)
        copy = SqliteStore(target)
        await copy.open()
        first, second = int(copy.get("/first").value), int(copy.get("/second").value)
        await copy.close()
        assert second <= first <= second + 1
    stop.set()
    assert await writer > 5
    await store.close()


async def test_another_process_saves_while_the_master_holds_the_lock(open_store, tmp_path):
    path = tmp_path / "state.db"
    store = await open_store(path)
    await store.create("/a", b"1")
    code = (
        "import pathlib, sys; from master.store.snapshot import save;"
        "print(save(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).revision)"
    )
    command = [sys.executable, "-c", code, path, tmp_path / "a.snapshot"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("1\n", "")
    # And the master is none the worse: its lock, its log and its writes.
    with pytest.raises(StoreUnusable, match="in use"):
        await open_store(path)
    assert await store.create("/b", b"") == 2


async def test_the_store_of_a_killed_master_is_saved_with_its_log(tmp_path):
    path = tmp_path / "state.db"
    code = """
import asyncio, os, pathlib, signal, sys
from master.store.sqlite import SqliteOptions, SqliteStore

async def main():
    store = SqliteStore(SqliteOptions(path=pathlib.Path(sys.argv[1])))
    await store.open()
    for n in range(20):
        await store.create(f"/pods/{n}", b"x" * 5000)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, path], cwd=ROOT, timeout=30)
    assert done.returncode == -signal.SIGKILL
    saved = await asyncio.to_thread(save, path, tmp_path / "a.snapshot")
    assert (saved.revision, saved.records) == (20, 20)


async def test_a_snapshot_is_for_its_owner_only_and_nothing_else_is_left(source, tmp_path):
    store = await filled(source)
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for _ in range(2):
        await asyncio.to_thread(save, store, folder / "a.snapshot")
    await store.close()
    assert [entry.name for entry in folder.iterdir()] == ["a.snapshot"]
    assert stat.S_IMODE((folder / "a.snapshot").stat().st_mode) == 0o600


async def test_the_database_in_a_snapshot_is_plain_sqlite(source, tmp_path):
    store = await filled(source)
    await asyncio.to_thread(save, store, tmp_path / "a.snapshot")
    await store.close()
    (tmp_path / "plain.db").write_bytes((tmp_path / "a.snapshot").read_bytes()[1024:])
    with closing(sqlite3.connect(tmp_path / "plain.db")) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (29,)


@pytest.fixture
def snapshot(tmp_path):
    path = tmp_path / "snapshotted.db"

    async def make():
        store = await filled(SqliteOptions(path=path))
        await store.close()

    asyncio.run(make())
    save(path, tmp_path / "a.snapshot")
    return tmp_path / "a.snapshot"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: data[:-1], "checksum"),
        (lambda data: data + b"\0", "checksum"),
        (lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "checksum"),
        (lambda data: data.replace(b'"revision":31', b'"revision":30', 1), "checksum"),
        (lambda data: data[:40], "header is not whole"),
        (lambda data: data.replace(b"SNAPSHOT 1\n", b"SNAPSHOT 9\n", 1), "format 9"),
        (lambda data: data[1024:], "not a snapshot"),
        (lambda data: data[:0], "not a snapshot"),
    ],
)
def test_a_damaged_snapshot_is_refused_and_makes_no_store(snapshot, target, tmp_path, damage, problem):
    data = snapshot.read_bytes()
    assert damage(data) != data
    snapshot.write_bytes(damage(data))
    for attempt in (lambda: inspect(snapshot), lambda: restore(snapshot, target)):
        with pytest.raises(SnapshotError, match=problem) as refusal:
            attempt()
        assert str(snapshot) in str(refusal.value)
    if isinstance(target, SqliteOptions):
        assert [entry.name for entry in target.path.parent.iterdir()] in ([], ["state.db.lock"])


def test_an_existing_store_is_never_overwritten(snapshot, target):
    restore(snapshot, target)
    with pytest.raises(StoreUnusable, match=r"exists|in use"):
        restore(snapshot, target)


def test_a_restore_of_a_running_master_is_refused(snapshot, target):
    async def run():
        store = store_on(target)
        await store.open()
        with pytest.raises(StoreUnusable, match="in use"):
            await asyncio.to_thread(restore, snapshot, target)
        await store.create("/a", b"")
        await store.close()

    asyncio.run(run())


def test_a_log_without_its_database_is_not_taken_over(snapshot, tmp_path):
    (tmp_path / "state.db-wal").write_bytes(b"of an earlier store")
    with pytest.raises(StoreUnusable, match=r"state\.db-wal exists"):
        restore(snapshot, tmp_path / "state.db")
    assert not (tmp_path / "state.db").exists()


def test_a_restore_cut_short_is_no_store_and_can_be_repeated(snapshot, etcd):
    target = EtcdOptions(endpoints=etcd.endpoints, prefix=new_prefix())

    async def cut_short():
        client, layout = EtcdClient(target), Layout(target.prefix)
        deadline = asyncio.get_running_loop().time() + 10
        await claim(client, layout, Marker(restoring=True), deadline)
        half = {"key": layout.key("/pods/half"), "value": b""}
        await client.call("/v3/kv/put", half, HeaderAnswer, deadline=deadline)
        client.close()

    async def look():
        store = EtcdStore(target)
        await store.open()
        found = store.get("/pods/half"), len(store.load(""))
        await store.close()
        return found

    asyncio.run(cut_short())
    with pytest.raises(StoreUnusable, match="cut short"):
        asyncio.run(look())
    restore(snapshot, target)
    assert asyncio.run(look()) == (None, 29)


def test_a_value_too_large_for_the_target_is_named_before_anything_is_written(snapshot, etcd):
    target = EtcdOptions(endpoints=etcd.endpoints, prefix=new_prefix(), value_bytes_max=20)
    with pytest.raises(SnapshotError, match="key /pods/é/29 has 58 bytes"):
        restore(snapshot, target)
    restore(snapshot, EtcdOptions(endpoints=etcd.endpoints, prefix=target.prefix))


def test_what_cannot_be_saved_is_told(tmp_path, etcd):
    with pytest.raises(StoreUnusable, match="does not exist"):
        save(tmp_path / "none.db", tmp_path / "a.snapshot")
    with pytest.raises(StoreUnusable, match="is empty"):
        save(EtcdOptions(endpoints=etcd.endpoints, prefix=new_prefix()), tmp_path / "a.snapshot")
    foreign = tmp_path / "songs.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(StoreUnusable, match="something else"):
        save(foreign, tmp_path / "a.snapshot")
    with pytest.raises(SnapshotError, match="there is no folder"):
        save(foreign, tmp_path / "none" / "a.snapshot")
    with pytest.raises(SnapshotError, match="No such file"):
        inspect(tmp_path / "none.snapshot")
    assert not list(tmp_path.glob("a.snapshot*"))


def test_only_a_snapshot_is_ever_replaced_by_one(snapshot, target, tmp_path):
    restore(snapshot, target)
    letter, older, link = tmp_path / "letter", tmp_path / "older", tmp_path / "zero"
    letter.write_text("Dear master,")
    older.touch()
    link.symlink_to("/dev/zero")
    for name, problem in ((letter, "is no snapshot"), (link, "no ordinary file"), (tmp_path, "no ordinary file")):
        with pytest.raises(SnapshotError, match=problem):
            save(target, name)
    assert letter.read_text() == "Dear master,"
    assert link.readlink() == Path("/dev/zero")
    for _ in range(2):  # an empty file first, then a snapshot
        assert save(target, older) == inspect(older)


def test_a_leap_that_could_repeat_revisions_is_refused(snapshot, tmp_path):
    with pytest.raises(ValueError, match=r"^leap: "):
        restore(snapshot, tmp_path / "state.db", leap=0)


def test_a_killed_save_leaves_nothing_that_the_next_does_not_remove(tmp_path, snapshot):
    """The names of what is unfinished are fixed."""
    for name in ("b.snapshot.copy", "b.snapshot.copy-journal", "b.snapshot.partial"):
        (tmp_path / name).write_bytes(os.urandom(5000))
    save(tmp_path / "snapshotted.db", tmp_path / "b.snapshot")
    assert [entry.name for entry in tmp_path.glob("b.snapshot*")] == ["b.snapshot"]
    (tmp_path / "new.db.restoring").write_bytes(b"half")
    restore(snapshot, tmp_path / "new.db")
    assert not (tmp_path / "new.db.restoring").exists()
