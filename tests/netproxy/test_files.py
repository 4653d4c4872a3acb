"""A file of services is followed without looking at it again and again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from netproxy import notices
from netproxy.changes import Changes
from netproxy.endpoints import Here
from netproxy.files import FileSource, read_objects
from netproxy.following import Following
from tests.e2e.waiting import until

TEXT = "kind: Service\napiVersion: v1\nmetadata: {name: NAME}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n"
Follow = Callable[[Path], FileSource]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Follow]:
    """Follows files by notices alone, until the test ends."""
    monkeypatch.setattr(notices, "LOOK_S", 3600.0)
    sources: list[FileSource] = []

    def start(path: Path) -> FileSource:
        sources.append(FileSource(path, Here(node="n1"), Changes(threading.Event().set)))
        sources[-1].start()
        return sources[-1]

    yield start
    for source in sources:
        source.stop()
        assert not source._thread.is_alive()


def names(source: FileSource) -> list[str]:
    """The services of the file."""
    return [service.metadata.name for service in source.read().services]


def write(path: Path, name: str) -> None:
    """One service of this name."""
    path.write_text(TEXT.replace("NAME", name))


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_file_is_parsed_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Five thousand services took seven seconds of a processor that connections waited for."""

    def slow(*_: object) -> None:
        raise AssertionError("the parser in Python is asked")

    monkeypatch.setattr(yaml.scanner.Scanner, "fetch_more_tokens", slow)
    document = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    path = tmp_path / "services"
    path.write_text(json.dumps(document) if form == "json" else TEXT.replace("NAME", "a") + "---\n")
    assert [one.metadata.name for one in read_objects(path, Here()).services] == ["a"]


def test_a_file_that_is_written_replaced_or_removed_and_made_again_is_read(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "services.yaml"
    write(path, "a")
    source = follow(path)
    assert names(source) == ["a"]
    write(path, "b")
    until(lambda: names(source) == ["b"])
    write(tmp_path / "other", "c")
    (tmp_path / "other").replace(path)
    until(lambda: names(source) == ["c"])
    path.unlink()
    write(path, "d")
    until(lambda: names(source) == ["d"])


def test_a_link_that_is_led_elsewhere_is_followed(tmp_path: Path, follow: Follow) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "services.yaml", name)
    (tmp_path / "mount").mkdir()
    # As the agent mounts a ConfigMap: the file is a link through a link that is replaced.
    (tmp_path / "mount" / "..data").symlink_to(tmp_path / "first")
    path = tmp_path / "mount" / "services.yaml"
    path.symlink_to("..data/services.yaml")
    source = follow(path)
    assert names(source) == ["first"]
    (tmp_path / "mount" / "..new").symlink_to(tmp_path / "second")
    (tmp_path / "mount" / "..new").replace(tmp_path / "mount" / "..data")
    until(lambda: names(source) == ["second"])
    write(tmp_path / "second" / "services.yaml", "third")
    until(lambda: names(source) == ["third"])


def test_without_notices_the_file_is_looked_at(tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices._libc, "inotify_init1", lambda _flags: -1)
    path = tmp_path / "services.yaml"
    write(path, "a")
    source = follow(path)
    write(path, "b")
    until(lambda: names(source) == ["b"])


def test_a_file_that_did_not_change_is_not_translated_again(tmp_path: Path, follow: Follow) -> None:
    path = tmp_path / "services.yaml"
    write(path, "a")
    source = follow(path)
    following = Following(source)
    first = following.desired()
    (port,) = first.ports.values()
    again = following.desired()
    assert again.ports == first.ports
    assert all(one is port for one in again.ports.values())
    write(path, "b")
    until(lambda: names(source) == ["b"])
    assert [name.service for name in following.desired().ports] == ["b"]
