"""`steersman snapshot` on real stores, SQLite and etcd, with their master running or not."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli import board
from cli.cluster import Settings, complete, save
from cli.components import component
from cli.derive import config_of
from cli.processes import identity
from master.store.sqlite import SqliteOptions, SqliteStore
from tests.store.etcd_members import Members


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installed cluster that is down."""
    made = Settings(root=tmp_path / "root", name="test-snapshot")
    save(made)
    made.run.mkdir(parents=True)
    return made


@contextmanager
def running_store(path: Path) -> Iterator[Any]:
    """An open store with one record, as a master has it; yields a function that writes another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    loop = asyncio.new_event_loop()
    store = SqliteStore(SqliteOptions(path=path))

    def write(key: str) -> None:
        loop.run_until_complete(store.create(key, b'{"of":"a secret"}'))

    try:
        loop.run_until_complete(store.open())
        write("/secrets/default/a")
        yield write
    finally:
        loop.run_until_complete(store.close())
        loop.close()


def keys(path: Path) -> list[str]:
    async def load() -> list[str]:
        store = SqliteStore(SqliteOptions(path=path))
        await store.open()
        try:
            return [record.key for record in store.load("/")]
        finally:
            await store.close()

    return asyncio.run(load())


def state_of(settings: Settings) -> Path:
    return settings.data / "apiserver" / "state.db"


def test_a_running_cluster_is_saved_and_restored_elsewhere(settings: Settings, tmp_path: Path, steersman: Any) -> None:
    file = tmp_path / "backup"
    with running_store(state_of(settings)) as write:
        write("/pods/default/b")
        saved = steersman("snapshot", "save", file, "--root", settings.root)
        write("/pods/default/later")
    assert (saved.returncode, saved.stdout) == (0, f"saved 2 records at revision 2 to {file}\n"), saved.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    other = Settings(root=tmp_path / "other", name="test-other")
    save(other)
    restored = steersman("snapshot", "restore", file, "--config-dir", other.config, "--root", other.root)
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith("restored 2 records of 20")
    assert keys(state_of(other)) == ["/pods/default/b", "/secrets/default/a"]


def test_inspect_shows_what_a_file_holds_and_needs_no_cluster(
    settings: Settings, tmp_path: Path, steersman: Any
) -> None:
    file = tmp_path / "backup"
    with running_store(state_of(settings)):
        assert steersman("snapshot", "save", file, "--root", settings.root).returncode == 0
    shown = steersman("snapshot", "inspect", file)
    head, row = shown.stdout.splitlines()
    assert head.split() == ["MADE", "FROM", "REVISION", "RECORDS", "SIZE"]
    assert row.split()[1:4] == ["sqlite", "1", "1"]


def test_a_damaged_file_is_refused(settings: Settings, tmp_path: Path, steersman: Any) -> None:
    file = tmp_path / "backup"
    with running_store(state_of(settings)):
        steersman("snapshot", "save", file, "--root", settings.root)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    state_of(settings).unlink()
    for action in (("inspect", file), ("restore", file, "--root", settings.root)):
        refused = steersman("snapshot", *action)
        assert refused.returncode == 1
        assert f"snapshot {file}: is damaged: its checksum is wrong" in refused.stderr
    assert not state_of(settings).exists()


def test_nothing_is_restored_while_the_cluster_runs(settings: Settings, tmp_path: Path, steersman: Any) -> None:
    file = tmp_path / "backup"
    with running_store(state_of(settings)):
        steersman("snapshot", "save", file, "--root", settings.root)
        # The API server alone, without a supervisor.
        refused = steersman("snapshot", "restore", file, "--root", settings.root)
        assert (refused.returncode, f"is in use by process {os.getpid()}" in refused.stderr) == (1, True)
    board.Board(identity(os.getpid())).write(settings.run)
    refused = steersman("snapshot", "restore", file, "--root", settings.root)
    assert refused.returncode == 1
    assert f"cluster test-snapshot is running (supervisor pid {os.getpid()})" in refused.stderr
    assert "first: steersman down" in refused.stderr


def test_a_store_that_is_there_is_never_replaced(settings: Settings, tmp_path: Path, steersman: Any) -> None:
    file = tmp_path / "backup"
    with running_store(state_of(settings)):
        steersman("snapshot", "save", file, "--root", settings.root)
    refused = steersman("snapshot", "restore", file, "--root", settings.root)
    assert refused.returncode == 1
    assert "state.db exists: move it away to restore here" in refused.stderr
    assert keys(state_of(settings)) == ["/secrets/default/a"]


def test_what_is_missing_is_named(settings: Settings, tmp_path: Path, steersman: Any) -> None:
    nowhere = steersman("snapshot", "save", tmp_path / "f", "--root", tmp_path / "none")
    assert (nowhere.returncode, "no cluster in" in nowhere.stderr) == (1, True)
    empty = steersman("snapshot", "save", tmp_path / "f", "--root", settings.root)
    assert (empty.returncode, f"{state_of(settings)}: does not exist" in empty.stderr) == (1, True)
    without = steersman("snapshot", "inspect", tmp_path / "f")
    assert (without.returncode, "No such file" in without.stderr) == (1, True)
    assert steersman("snapshot").returncode == 2


def test_a_cluster_on_etcd_is_restored_from_one_on_sqlite_and_saved_again(
    settings: Settings, tmp_path: Path, steersman: Any
) -> None:
    file, again = tmp_path / "backup", tmp_path / "again"
    with running_store(state_of(settings)):
        assert steersman("snapshot", "save", file, "--root", settings.root).returncode == 0
    with Members(tmp_path / "etcd") as members:
        moved = Settings(root=tmp_path / "moved", name="test-moved", etcd_servers=members.endpoints)
        save(moved)
        restored = steersman("snapshot", "restore", file, "--root", moved.root)
        assert restored.returncode == 0, restored.stderr
        twice = steersman("snapshot", "restore", file, "--root", moved.root)
        assert (twice.returncode, "is in use" in twice.stderr) == (1, True)
        saved = steersman("snapshot", "save", again, "--root", moved.root)
        assert saved.returncode == 0, saved.stderr
    assert steersman("snapshot", "inspect", again).stdout.splitlines()[1].split()[1] == "etcd"


def test_settings_of_etcd_are_the_cluster_s_and_reach_the_api_server(tmp_path: Path, steersman: Any) -> None:
    (tmp_path / "cluster.yaml").write_text("etcd-servers: [http://127.0.0.1:2379]\n")
    shown = steersman("up", "--check-config", "--config-dir", tmp_path, "--etcd-prefix=/mine")
    assert shown.returncode == 0, shown.stderr
    assert 'etcd-prefix: "/mine"' in shown.stdout
    settings = Settings(root=tmp_path, etcd_servers=("https://a:2379",), etcd_cafile=Path("/ca.crt"))
    config = config_of(component("apiserver"), complete(settings), environ={})
    assert (config.etcd_servers, config.etcd_cafile) == (("https://a:2379",), Path("/ca.crt"))
    wrong = steersman("up", "--check-config", "--config-dir", tmp_path, "--etcd-cafile=/ca.crt")
    assert (wrong.returncode, "--etcd-cafile: is of no use, since the servers are http" in wrong.stderr) == (2, True)
