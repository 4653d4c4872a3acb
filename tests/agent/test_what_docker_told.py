"""The record of what is on Docker, when its answers come late, twice or in the wrong order."""

import threading
from collections.abc import Callable, Iterator

import pytest

from agent.runtime.cache import ContainerCache
from agent.runtime.facts import familiar
from agent.runtime.logs import LogLine, parse_line
from agent.runtime.records import ContainerRecord
from tests.agent.facts import record


class Answers:
    """Stands for Docker: what it says at once, or when it is let."""

    def __init__(self) -> None:
        self.found: dict[str, ContainerRecord] = {}
        self.listed: dict[str, str] = {}
        self.before_answer: Callable[[], None] = lambda: None
        self.while_listing: Callable[[], None] = lambda: None

    def inspect(self, container_id: str) -> ContainerRecord | None:
        answer = self.found.get(container_id)
        wait, self.before_answer = self.before_answer, lambda: None
        wait()
        return answer

    def states(self) -> dict[str, str]:
        listed = dict(self.listed)
        self.while_listing()
        return listed


@pytest.fixture
def docker() -> Answers:
    return Answers()


@pytest.fixture
def cache(docker: Answers) -> Iterator[ContainerCache]:
    made = ContainerCache(docker, lambda _: None)  # type: ignore[arg-type]
    made.start()
    yield made
    made.stop()


def test_a_container_that_docker_did_not_find_while_it_was_made_is_found_afterwards(
    docker: Answers, cache: ContainerCache
) -> None:
    new = record("web")
    assert cache.refresh(new.id) is None  # told of by an event, and not yet to be inspected
    docker.found[new.id] = new
    assert cache.refresh(new.id) == new
    assert cache.all() == (new,)


def test_a_full_look_finds_again_what_was_taken_for_removed(docker: Answers, cache: ContainerCache) -> None:
    kept = record("web")
    docker.found[kept.id], docker.listed[kept.id] = kept, "running"
    cache.refresh(kept.id)
    cache.drop(kept.id)  # Docker had said that its removal was in progress, and was restarted
    assert cache.all() == ()
    cache.relist()
    assert cache.all() == (kept,)


def test_an_answer_from_before_the_removal_brings_nothing_back(docker: Answers, cache: ContainerCache) -> None:
    old = record("web")
    docker.found[old.id] = old
    asked, release = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        release.wait(20)

    docker.before_answer = hold
    slow = threading.Thread(target=cache.refresh, args=(old.id,))
    slow.start()
    assert asked.wait(20)
    cache.drop(old.id)
    release.set()
    slow.join(20)
    assert cache.all() == ()


def test_a_list_from_before_the_creation_removes_nothing(docker: Answers, cache: ContainerCache) -> None:
    first, second = record("web"), record("web", attempt=1)
    docker.found |= {first.id: first, second.id: second}
    docker.listed = {first.id: "running"}
    cache.refresh(first.id)
    docker.while_listing = lambda: cache.refresh(second.id) and None
    cache.relist()
    assert {one.id for one in cache.all()} == {first.id, second.id}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"2026-11-23T10:42:09.6+00:00 stderr F hello you\n", "hello you\n"),
        (b"2026-11-23T10:42:09.6+00:00 stderr P hel", "hel"),
    ],
)
def test_a_line_of_podmans_log_is_read_as_one_of_dockers(line: bytes, text: str) -> None:
    assert parse_line(line) == LogLine(text, "stderr", "2026-11-23T10:42:09.6+00:00")


def test_podmans_names_of_images_are_dockers() -> None:
    assert familiar("docker.io/library/redis:7") == "redis:7"
    assert familiar("docker.io/steersman/pause:1") == "steersman/pause:1"
    assert familiar("registry.example/docker.io/x") == "registry.example/docker.io/x"
