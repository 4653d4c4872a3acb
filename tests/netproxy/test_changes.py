"""What was told and is not served yet is counted, and when it was triggered is kept until a pass went well."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from api.discovery import EndpointSlice
from api.meta import ObjectMeta
from netproxy.changes import TRIGGER_TIME, Changes, Told, trigger_time


def triggered(seconds: float) -> EndpointSlice:
    when = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    return EndpointSlice(metadata=ObjectMeta(name="web-1", annotations={TRIGGER_TIME: when}), address_type="IPv4")


def test_each_change_wakes_and_waits_until_it_is_settled() -> None:
    woken: list[bool] = []
    changes = Changes(lambda: woken.append(True))
    changes.service()
    changes.endpoints(None)
    told = changes.told()
    changes.service()
    assert changes.pending() == Told(services=2, endpoints=1)
    assert len(woken) == 3
    changes.settle(told)
    assert changes.pending() == Told(services=1)
    assert changes.told() == Told(services=2, endpoints=1)


def test_what_was_triggered_while_a_pass_runs_belongs_to_the_next() -> None:
    changes = Changes(lambda: None)
    first, second = time.time() + 1, time.time() + 2
    changes.endpoints(triggered(first))
    told = changes.told()
    changes.endpoints(triggered(second))
    assert [round(when - first, 3) for when in changes.settle(told)] == [0.0]
    assert [round(when - second, 3) for when in changes.settle(changes.told())] == [0.0]


def test_what_was_triggered_before_the_start_says_nothing() -> None:
    changes = Changes(lambda: None)
    changes.endpoints(triggered(time.time() - 60))
    assert changes.settle(changes.told()) == []


def test_a_trigger_that_is_no_time_is_none() -> None:
    slice_ = EndpointSlice(metadata=ObjectMeta(annotations={TRIGGER_TIME: "yesterday"}), address_type="IPv4")
    assert trigger_time(slice_) is None
    assert trigger_time(EndpointSlice(address_type="IPv4")) is None


def test_kubernetes_own_spelling_is_read() -> None:
    assert trigger_time(triggered(0)) == 0.0
    nanoseconds = EndpointSlice(
        metadata=ObjectMeta(annotations={TRIGGER_TIME: "1970-01-01T00:00:01.123456789Z"}), address_type="IPv4"
    )
    found = trigger_time(nanoseconds)
    assert found is not None
    assert abs(found - 1.123) < 0.001
