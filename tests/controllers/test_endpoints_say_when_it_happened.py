"""Endpoints and slices bear the time of the change that they were written for, as proxies of Kubernetes read it."""

from datetime import timedelta

from api.core import Endpoints, Pod, Service
from api.discovery import EndpointSlice
from client import Client
from master.controllers.triggers import TRIGGER_TIME, Triggers
from netproxy.changes import trigger_time
from tests.controllers.conftest import Start
from tests.controllers.made import NOW, pod, service
from tests.e2e.waiting import until

AGE_S = 100


def aged(seconds: float = AGE_S) -> Service:
    made = service()
    made.metadata.creation_timestamp = NOW - timedelta(seconds=seconds)
    return made


def test_a_service_that_is_new_here_began_when_it_was_made() -> None:
    assert Triggers().look(aged(), [pod("a", ready=True, ready_for_s=5)]) == NOW - timedelta(seconds=AGE_S)


def test_of_several_pods_that_changed_the_earliest_counts_and_only_once() -> None:
    triggers, kept = Triggers(), pod("kept", ready=True, ready_for_s=90)
    triggers.look(aged(), [kept])
    both = [kept, pod("a", ready=True, ready_for_s=10), pod("b", ready=False, ready_for_s=20)]
    assert triggers.look(aged(), both) == NOW - timedelta(seconds=20)
    assert triggers.look(aged(), both) is None
    again = [kept, pod("a", ready=False, ready_for_s=3), both[2]]
    assert triggers.look(aged(), again) == NOW - timedelta(seconds=3)


def test_a_pod_that_gets_ready_within_the_second_has_changed() -> None:
    triggers = Triggers()
    triggers.look(aged(), [pod("a", ready=False, ready_for_s=5)])
    ready = [pod("a", ready=True, ready_for_s=5)]
    assert triggers.look(aged(), ready) == NOW - timedelta(seconds=5)
    assert triggers.look(aged(), ready) is None


def test_pods_of_others_and_pods_that_go_say_nothing() -> None:
    triggers, other = Triggers(), pod("other", ready=True, ready_for_s=1, labels={"app": "other"})
    triggers.look(aged(), [pod("a", ready=True, ready_for_s=50)])
    assert triggers.look(aged(), [other]) is None


def test_a_service_that_is_made_again_begins_anew() -> None:
    triggers = Triggers()
    triggers.look(aged(), [])
    assert triggers.look(aged(7), []) == NOW - timedelta(seconds=7)
    triggers.forget(("default", "web"))
    assert triggers.look(aged(), []) == NOW - timedelta(seconds=AGE_S)


def test_what_is_written_bears_the_time_of_the_change(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    made = admin.create(service(namespace=namespace))
    created = made.metadata.creation_timestamp
    assert created is not None
    until(lambda: _told(admin, namespace) == {created.timestamp()})
    report(admin, "a", namespace, second=30)
    until(lambda: _told(admin, namespace) == {NOW.timestamp() + 30})
    admin.delete(Pod, "a", namespace, grace_s=0)
    until(lambda: not admin.get(Endpoints, "web", namespace).subsets)
    assert TRIGGER_TIME not in admin.get(Endpoints, "web", namespace).metadata.annotations


def report(admin: Client, name: str, namespace: str, *, second: int) -> None:
    """A pod that its node reports as ready since that second."""
    made = pod(name, ready=True, ip="10.0.0.1", ready_for_s=-second)
    made.metadata.namespace = namespace
    status = made.status
    created = admin.create(made)
    created.status = status
    admin.update_status(created)


def _told(admin: Client, namespace: str) -> set[float | None]:
    """The times on all that was written for the service, as our proxy reads them."""
    found = [*admin.list(Endpoints, namespace).items, *admin.list(EndpointSlice, namespace).items]
    return {trigger_time(item) for item in found}
