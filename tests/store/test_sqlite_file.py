"""What the embedded store does with its file: who may open it, which file it refuses, how it is kept."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from master.store.contract import Record, StoreBroken, StoreUnusable
from master.store.database import SCHEMA
from master.store.sqlite import SqliteOptions


async def filled(open_store, path, count=5):
    store = await open_store(path)
    await asyncio.gather(*(store.create(f"/pods/a/{n}", b"x" * 4000) for n in range(count)))
    await store.close()


def run_sql(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def refusal(open_store, path):
    with pytest.raises(StoreUnusable) as caught:
        await open_store(path)
    assert str(path.resolve()) in str(caught.value)
    return caught.value.problem


async def test_the_files_are_for_their_owner_only(open_store, tmp_path):
    path = tmp_path / "state.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    store = await open_store(path)
    await store.create("/a", b"")
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    await store.close()
    assert modes == dict.fromkeys(("state.db", "state.db-wal", "state.db-shm", "state.db.lock"), 0o600)


async def test_a_second_master_is_refused_and_told_who_holds_the_file(open_store, tmp_path):
    path = tmp_path / "state.db"
    store = await open_store(path)
    alias = tmp_path / "alias.db"
    alias.symlink_to(path)
    assert await refusal(open_store, path) == f"is in use by process {os.getpid()}"
    assert await refusal(open_store, alias) == f"is in use by process {os.getpid()}"
    await store.close()
    await (await open_store(path)).close()


async def test_opening_twice_is_refused_and_harms_nothing(open_store, tmp_path):
    store = await open_store(tmp_path / "state.db")
    with pytest.raises(StoreUnusable, match="already open"):
        await store.open()
    assert await store.create("/a", b"") == 1


async def test_another_process_is_refused_too(open_store, tmp_path):
    path = tmp_path / "state.db"
    store = await open_store(path)
    code = "import sys, pathlib; from master.store.database import Database; Database(pathlib.Path(sys.argv[1]))"
    other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=30)
    await store.close()
    assert other.returncode == 1
    assert f"StoreUnusable: store {path}: is in use by process {os.getpid()}" in other.stderr


async def test_a_refused_open_lets_go_of_the_lock(open_store, tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database, but a letter to a friend. " * 200)
    await refusal(open_store, path)
    path.unlink()
    await (await open_store(path)).close()


async def test_a_file_that_is_no_database_is_refused_unchanged(open_store, tmp_path):
    path = tmp_path / "state.db"
    content = b"not a database, but a letter to a friend. " * 200
    path.write_bytes(content)
    path.chmod(0o644)
    assert "not a database" in await refusal(open_store, path)
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


async def test_the_database_of_something_else_is_refused_unchanged(open_store, tmp_path):
    path = tmp_path / "state.db"
    run_sql(path, "CREATE TABLE songs (name TEXT)")
    content = path.read_bytes()
    assert "something else" in await refusal(open_store, path)
    assert path.read_bytes() == content


async def test_a_newer_file_is_refused(open_store, tmp_path):
    path = tmp_path / "state.db"
    await filled(open_store, path)
    run_sql(path, f"UPDATE head SET schema = {SCHEMA + 1}")
    assert f"newer version (schema {SCHEMA + 1}; this one knows {SCHEMA})" in await refusal(open_store, path)


async def test_a_damaged_file_is_refused(open_store, tmp_path):
    path = tmp_path / "state.db"
    await filled(open_store, path, 50)
    with path.open("r+b") as file:
        file.seek(8192 * 5)
        file.write(os.urandom(8192 * 10))
    assert "damaged" in await refusal(open_store, path)


async def test_a_file_without_its_head_row_is_refused(open_store, tmp_path):
    path = tmp_path / "state.db"
    await filled(open_store, path)
    run_sql(path, "DELETE FROM head")
    assert "damaged" in await refusal(open_store, path)


async def test_a_doubled_key_is_refused(open_store, tmp_path):
    path = tmp_path / "state.db"
    await filled(open_store, path)
    run_sql(path, "INSERT INTO records SELECT 1000, key, value, revision FROM records LIMIT 1")
    assert "damaged" in await refusal(open_store, path)


async def test_a_missing_folder_is_refused(open_store, tmp_path):
    assert "folder" in await refusal(open_store, tmp_path / "none" / "state.db")


async def test_a_start_cut_short_before_the_tables_is_taken_up(open_store, tmp_path):
    path = tmp_path / "state.db"
    run_sql(path, "PRAGMA page_size=8192", "PRAGMA journal_mode=WAL")
    store = await open_store(path)
    assert await store.create("/a", b"") == 1
    await store.close()


async def test_the_file_is_written_as_promised(open_store, tmp_path):
    path = tmp_path / "state.db"
    store = await open_store(path)
    connection = store._live().database.connection
    settings = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "page_size", "wal_autocheckpoint")
    }
    await store.close()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "page_size": 8192, "wal_autocheckpoint": 0}


async def test_closing_leaves_no_log_behind(open_store, tmp_path):
    await filled(open_store, tmp_path / "state.db")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["state.db", "state.db.lock"]


async def test_a_foreign_writer_is_noticed_and_not_overwritten(open_store, tmp_path):
    path = tmp_path / "state.db"
    store = await open_store(path)
    await store.create("/a", b"1")
    run_sql(path, "UPDATE head SET revision = 40")
    with pytest.raises(StoreBroken, match="another process"):
        await store.create("/b", b"")
    assert store.load("") == [Record("/a", b"1", 1)]
    await store.close()
    store = await open_store(path)
    assert store.revision == 40
    await store.close()


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"history_changes": 0}, "history_changes"),
        ({"idle_s": -1.0}, "idle_s"),
        ({"wal_pages_max": 9}, "wal_pages_max"),
    ],
)
def test_a_senseless_bound_is_refused_by_name(tmp_path, bounds, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        SqliteOptions(path=tmp_path / "state.db", **bounds)
