"""A log that is followed while Docker rotates it: each line once, in order."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.runtime.following import LogFollower
from tests.agent.cluster import Cluster, ready
from tests.agent.doors import client, master, url

FILES = 5


def _line(text: str) -> str:
    return f'{{"log":"{text}\\n","stream":"stdout","time":"t"}}\n'


def _rotate(path: Path) -> None:
    """As Docker does it."""
    for number in range(FILES - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number}"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x-json.log"


@pytest.fixture
def follow(path: Path) -> Iterator[Callable[[], list[str]]]:
    """Begins to follow at the first call; what has come since the last one."""
    made: list[LogFollower] = []

    def look() -> list[str]:
        if not made:
            made.append(LogFollower(path))
        return [line.text.strip() for line in made[0].new_lines()]

    yield look
    for follower in made:
        follower.close()


def test_it_begins_at_the_oldest_file_and_goes_on_after_a_rotation(path: Path, follow: Callable[[], list[str]]) -> None:
    path.with_name("x-json.log.1").write_text(_line("old"))
    path.write_text(_line("a") + '{"log":"b')
    assert follow() == ["old", "a"]
    with path.open("a") as file:
        file.write('\\n","stream":"stdout","time":"t"}\n')
    _rotate(path)
    path.write_text(_line("c"))
    assert follow() == ["b", "c"]
    assert follow() == []


def test_several_rotations_between_two_looks_cost_no_line(path: Path, follow: Callable[[], list[str]]) -> None:
    path.write_text(_line("1"))
    assert follow() == ["1"]
    for number in range(2, FILES + 1):
        _rotate(path)
        path.write_text(_line(str(number)))
    assert follow() == ["2", "3", "4", "5"]


def test_a_look_in_the_midst_of_a_rotation_waits_for_its_end(path: Path, follow: Callable[[], list[str]]) -> None:
    path.write_text(_line("1"))
    assert follow() == ["1"]
    _rotate(path)
    assert follow() == []
    path.write_text(_line("2"))
    assert follow() == ["2"]


def test_files_that_move_while_they_are_opened_are_read_once(
    path: Path, follow: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.with_name("x-json.log.1").write_text(_line("1"))
    path.write_text(_line("2"))
    opened = Path.open

    def open_and_rotate(self: Path, *args: str) -> object:
        file = opened(self, *args)
        if self == path:
            monkeypatch.undo()
            _rotate(path)
            path.write_text(_line("3"))
        return file

    monkeypatch.setattr(Path, "open", open_and_rotate)
    assert follow() == ["1", "2", "3"]


@pytest.mark.docker
def test_a_follower_of_a_log_under_heavy_load_misses_no_line(cluster: Cluster) -> None:
    agent = cluster.start_agent(log_max_size="1m", log_max_files=10)
    write = "i=0; while [ $i -lt 40 ]; do seq $((i * 4000 + 1)) $((i * 4000 + 4000)); i=$((i + 1)); sleep 0.05; done"
    cluster.create("busy", f"{write}; echo end; exec sleep 1000")
    cluster.wait_pod("busy", ready)
    seen: list[bytes] = []
    with client(cluster, master(cluster)) as pool:
        log = url(agent, f"/containerLogs/{cluster.namespace}/busy/main?follow=true")
        response = pool.request("GET", log, preload_content=False, timeout=60)
        pending = b""
        while b"end" not in seen:
            *lines, pending = (pending + response.read1()).split(b"\n")
            seen += lines
        response.close()
    assert seen == [b"%d" % number for number in range(1, 160_001)] + [b"end"]
    identity = next(row["Id"] for row in cluster.containers() if "_main_" in str(row["Names"]))
    folder = Path(cluster.docker.inspect_container(identity)["LogPath"]).parent
    assert len(list(folder.glob("*-json.log*"))) == 10
