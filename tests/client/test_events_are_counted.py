"""The event recorder: repeats are counted, and nothing ever waits for it."""

import logging
import threading
from collections.abc import Iterator

import pytest

from api.core import Event, Node, Pod
from api.errors import Forbidden, ServiceUnavailable
from api.meta import ObjectMeta
from client import Client, EventRecorder
from client.correlation import Correlator
from tests.client.api_server import ApiServer
from tests.e2e.waiting import until

POD = Pod(metadata=ObjectMeta(name="web", namespace="shop", uid="1", resource_version="7"))


@pytest.fixture
def recorder(client: Client) -> Iterator[EventRecorder]:
    made = EventRecorder(client, "kubelet", host="node1")
    yield made
    made.close()


def events(client: Client, namespace: str = "shop") -> list[Event]:
    return client.list(Event, namespace).items


def test_an_event_says_who_what_and_when(client: Client, recorder: EventRecorder) -> None:
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


def test_who_has_nothing_to_tell_needs_no_thread(client: Client) -> None:
    quiet = EventRecorder(client, "quiet")
    assert not [one for one in threading.enumerate() if one.name == "events-quiet"]
    quiet.close()


def test_repeats_are_counted_and_others_are_not(client: Client, recorder: EventRecorder) -> None:
    for _ in range(3):
        recorder.event(POD, "Normal", "Pulled", "image is there")
    recorder.event(POD, "Normal", "Pulled", "another image is there")
    until(lambda: len(events(client)) == 2)
    assert sorted(event.count for event in events(client)) == [1, 3]


def test_what_differs_in_repeats_stands_beside_the_message(client: Client, recorder: EventRecorder) -> None:
    for seconds in ("0.1", "0.2"):
        recorder.event(POD, "Warning", "Unhealthy", "it fails", annotations={"took": seconds})
        until(lambda: events(client) and events(client)[0].metadata.annotations == {"took": seconds})  # noqa: B023
    (event,) = events(client)
    assert (event.count, event.message) == (2, "it fails")


def test_a_repeat_of_an_expired_event_is_a_new_one(api: ApiServer, client: Client, recorder: EventRecorder) -> None:
    recorder.event(POD, "Normal", "Pulled", "there")
    until(lambda: len(events(client)) == 1)
    with api.changed:
        api.objects.clear()
    recorder.event(POD, "Normal", "Pulled", "there")
    until(lambda: len(events(client)) == 1)
    assert events(client)[0].count == 1


def test_events_of_the_whole_cluster_stand_in_default(client: Client, recorder: EventRecorder) -> None:
    recorder.event(Node(metadata=ObjectMeta(name="n" * 250 + ".a")), "Normal", "Starting", "begins")
    until(lambda: events(client, "default"))
    (event,) = events(client, "default")
    assert len(event.metadata.name) <= 253


def test_a_refused_event_is_dropped_with_a_word(
    api: ApiServer, client: Client, recorder: EventRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    api.refusals = [Forbidden("not you")]
    recorder.event(POD, "Normal", "First", "one")
    until(lambda: "event not sent reason=First" in caplog.text)
    recorder.event(POD, "Normal", "Second", "two")
    until(lambda: events(client))
    assert [event.reason for event in events(client)] == ["Second"]


def pods(count: int) -> list[Pod]:
    return [Pod(metadata=ObjectMeta(name=f"p{n}", namespace="shop", uid=f"u{n}")) for n in range(count)]


def test_a_burst_of_pods_loses_no_event_although_the_server_hangs(api: ApiServer, client: Client) -> None:
    going = threading.Event()
    api.on_request = lambda: (going.wait(20), None)[1]
    recorder = EventRecorder(client, "scheduler")
    for pod in pods(1500):
        recorder.event(pod, "Normal", "Scheduled", f"assigned {pod.metadata.name}")
    going.set()
    recorder.close(timeout_s=60)
    assert len({event.involved_object.name for event in events(client)}) == 1500


def test_what_waits_is_bounded_and_nothing_waits_for_it(
    api: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("client.events._WAITING_MAX", 50)
    going = threading.Event()
    api.on_request = lambda: (going.wait(20), None)[1]
    recorder = EventRecorder(client, "kubelet")
    try:
        with caplog.at_level(logging.WARNING):
            for pod in pods(200):
                recorder.event(pod, "Normal", "Busy", "said")
        assert caplog.text.count("events dropped, too many wait") == 1
        recorder.close(timeout_s=0.1)
    finally:
        going.set()
        recorder._thread.join(10)
    assert not recorder._thread.is_alive()
    assert len(events(client)) <= 51


def test_events_wait_for_a_server_that_is_away(client: Client, api: ApiServer) -> None:
    api.refusals = [ServiceUnavailable("in trouble")]
    recorder = EventRecorder(client, "kubelet")
    recorder.event(POD, "Normal", "Pulled", "there")
    until(lambda: api.objects)
    api.close()
    recorder.event(POD, "Normal", "Created", "there")
    recorder.event(POD, "Normal", "Started", "there")
    again = ApiServer(port=api.port)
    try:
        until(lambda: len(again.objects) == 2)
        assert [item["reason"] for item in again.objects.values()] == ["Created", "Started"]
    finally:
        recorder.close()
        again.close()


def test_an_object_that_tells_too_much_is_cut_short(client: Client, recorder: EventRecorder) -> None:
    for number in range(100):
        recorder.event(POD, "Warning", "Failed", f"try {number}")
    recorder.event(Pod(metadata=ObjectMeta(name="other", namespace="shop", uid="2")), "Normal", "Last", "word")
    until(lambda: any(event.reason == "Last" for event in events(client)))
    told = [event for event in events(client) if event.reason == "Failed"]
    # Nine messages of their own, all others on one event; 25 in all.
    assert len(told) == 10
    (gathered,) = (event for event in told if event.message.startswith("(combined from similar events): try "))
    assert sum(event.count for event in told) == 25
    assert gathered.count == 16


def test_room_for_events_comes_back_with_time() -> None:
    clock = [0.0]
    correlator = Correlator(lambda: clock[0])
    assert [correlator.admits(("a",)) for _ in range(30)].count(True) == 25
    clock[0] = 301.0
    assert [correlator.admits(("a",)) for _ in range(3)] == [True, False, False]
    assert correlator.admits(("b",))
    assert [correlator.gathers(("g",), str(number)) for number in range(11)] == [False] * 9 + [True] * 2
    clock[0] = 902.0
    assert not correlator.gathers(("g",), "much later")


def test_close_sends_what_is_queued(client: Client) -> None:
    recorder = EventRecorder(client, "kubelet")
    for pod in pods(20):
        recorder.event(pod, "Normal", "Busy", "said")
    recorder.close(timeout_s=10)
    assert len(events(client)) == 20
