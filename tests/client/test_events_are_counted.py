"""The event recorder: repeats are counted, and nothing ever waits for it."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from api.core import Event, Node, Pod
from api.errors import Forbidden
from api.meta import ObjectMeta
from client import Client, EventRecorder
from tests.client.api_server import ApiServer
from tests.client.conftest import Until

POD = Pod(metadata=ObjectMeta(name="web", namespace="shop", uid="1", resource_version="7"))


@pytest.fixture
def recorder(client: Client) -> Iterator[EventRecorder]:
    made = EventRecorder(client, "kubelet", host="node1")
    yield made
    made.close()


def events(client: Client, namespace: str = "shop") -> list[Event]:
    return client.list(Event, namespace).items


def test_an_event_says_who_what_and_when(client: Client, recorder: EventRecorder, until: Until) -> None:
    recorder.event(POD, "Warning", "Failed", "x" * 2000)
    until(lambda: events(client))
    (event,) = events(client)
    assert event.metadata.name.startswith("web.")
    about = event.involved_object
    assert (about.kind, about.api_version, about.name, about.namespace, about.uid, about.resource_version) == (
        "Pod",
        "v1",
        "web",
        "shop",
        "1",
        "7",
    )
    assert (event.type, event.reason, event.count, len(event.message)) == ("Warning", "Failed", 1, 1024)
    assert event.source is not None
    assert (event.source.component, event.source.host) == ("kubelet", "node1")
    assert event.first_timestamp == event.last_timestamp is not None


def test_repeats_are_counted_and_others_are_not(client: Client, recorder: EventRecorder, until: Until) -> None:
    for _ in range(3):
        recorder.event(POD, "Normal", "Pulled", "image is there")
    recorder.event(POD, "Normal", "Pulled", "another image is there")
    until(lambda: len(events(client)) == 2)
    assert sorted(event.count for event in events(client)) == [1, 3]


def test_a_repeat_of_an_expired_event_is_a_new_one(
    api: ApiServer, client: Client, recorder: EventRecorder, until: Until
) -> None:
    recorder.event(POD, "Normal", "Pulled", "there")
    until(lambda: len(events(client)) == 1)
    with api.changed:
        api.objects.clear()
    recorder.event(POD, "Normal", "Pulled", "there")
    until(lambda: len(events(client)) == 1)
    assert events(client)[0].count == 1


def test_events_of_the_whole_cluster_stand_in_default(client: Client, recorder: EventRecorder, until: Until) -> None:
    recorder.event(Node(metadata=ObjectMeta(name="n" * 250 + ".a")), "Normal", "Starting", "begins")
    until(lambda: events(client, "default"))
    (event,) = events(client, "default")
    assert len(event.metadata.name) <= 253


def test_a_refused_event_is_dropped_with_a_word(
    api: ApiServer, client: Client, recorder: EventRecorder, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    api.refusals = [Forbidden("not you")]
    recorder.event(POD, "Normal", "First", "one")
    until(lambda: "event not sent reason=First" in caplog.text)
    recorder.event(POD, "Normal", "Second", "two")
    until(lambda: events(client))
    assert [event.reason for event in events(client)] == ["Second"]


def test_nothing_waits_although_the_server_hangs(
    api: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    going = threading.Event()
    api.on_request = lambda: (going.wait(5), None)[1]
    recorder = EventRecorder(client, "kubelet")
    try:
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            for number in range(1200):
                recorder.event(POD, "Normal", "Busy", f"{number}")
        assert "event dropped, queue full reason=Busy about=shop/web" in caplog.text
        recorder.close(timeout_s=0.1)
        assert time.monotonic() - began < 2
    finally:
        api.refusals = [Forbidden("enough")] * 2000
        going.set()
        recorder.close(timeout_s=10)


def test_close_sends_what_is_queued(client: Client) -> None:
    recorder = EventRecorder(client, "kubelet")
    for number in range(20):
        recorder.event(POD, "Normal", "Busy", f"{number}")
    recorder.close(timeout_s=10)
    assert len(events(client)) == 20
