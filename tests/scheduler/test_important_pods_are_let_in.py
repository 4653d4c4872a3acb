"""Preemption by a whole scheduler on a real API server."""

from collections.abc import Iterator

import pytest

from api.core import Pod
from api.errors import NotFound
from api.meta import ObjectMeta
from api.scheduling import PriorityClass
from client import Client
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import empty, join, node_of, reasons, scheduler, why


@pytest.fixture(scope="module")
def classes(master: Master) -> None:
    client = master.client("admin")
    for name, value, policy in (("high", 1000, None), ("low", 10, None), ("patient", 1000, "Never")):
        client.create(PriorityClass(metadata=ObjectMeta(name=name), value=value, preemption_policy=policy))
    client.close()


@pytest.fixture(autouse=True)
def scheduling(master: Master, admin: Client, classes: None) -> Iterator[None]:
    with scheduler(master):
        yield
    empty(admin)


def named(name: str, priority_class: str, cpu: str, **more: object) -> Pod:
    made = pod(name, cpu=cpu, priorityClassName=priority_class, **more)
    # Admission works the numbers out.
    made.spec.priority = made.spec.preemption_policy = None
    return made


def placed(admin: Client, *names: str) -> bool:
    return all(node_of(admin, name) for name in names)


def test_a_less_important_pod_is_asked_to_end_and_the_other_takes_its_place(admin: Client) -> None:
    join(admin, node("n1"))
    for name in ("a", "b"):
        admin.create(named(name, "low", "2"))
    until(lambda: placed(admin, "a", "b"))
    admin.create(named("vital", "high", "2"))
    until(lambda: admin.get(Pod, "vital", "default").status.nominated_node_name == "n1")
    left = until(lambda: [one for one in admin.list(Pod).items if one.metadata.deletion_timestamp is not None])
    (victim,) = left
    assert victim.metadata.deletion_grace_period_seconds == 30, "its own grace"
    (condition,) = [one for one in victim.status.conditions if one.type == "DisruptionTarget"]
    assert (condition.status, condition.reason) == ("True", "PreemptionByScheduler")
    until(lambda: "Preempted" in reasons(admin, victim.metadata.name, victim.metadata.uid))
    assert not node_of(admin, "vital"), "not before the other has ended"
    # Meanwhile nobody takes the room, and nobody else has to go.
    admin.create(named("late", "low", "1"))
    until(lambda: why(admin, "late"))
    admin.delete(Pod, victim.metadata.name, "default", grace_s=0)
    until(lambda: node_of(admin, "vital") == "n1")
    assert not node_of(admin, "late")
    assert sum(one.metadata.deletion_timestamp is not None for one in admin.list(Pod).items) == 0


def test_a_pod_that_must_not_preempt_waits_and_says_so(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(named("a", "low", "4"))
    until(lambda: placed(admin, "a"))
    admin.create(named("patient", "patient", "2"))
    until(lambda: why(admin, "patient").endswith("preemption: not eligible due to preemptionPolicy=Never."))
    admin.delete(Pod, "a", "default", grace_s=0)
    until(lambda: placed(admin, "patient"))


def test_the_most_important_waiting_pod_goes_first(admin: Client) -> None:
    for name, priority_class in (("l1", "low"), ("l2", "low"), ("h1", "high")):
        admin.create(named(name, priority_class, "4"))
    until(lambda: all(why(admin, name) for name in ("l1", "l2", "h1")))
    join(admin, node("n1"))
    until(lambda: node_of(admin, "h1") == "n1")
    assert not placed(admin, "l1")
    assert not placed(admin, "l2")


def test_a_nomination_is_taken_back_when_it_helps_no_more(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(named("a", "low", "4"))
    until(lambda: placed(admin, "a"))
    admin.create(named("vital", "high", "2"))
    until(lambda: admin.get(Pod, "vital", "default").status.nominated_node_name == "n1")
    admin.patch(type(node()), "n1", "", {"spec": {"unschedulable": True}}, form="merge")
    admin.delete(Pod, "a", "default", grace_s=0)
    until(lambda: not admin.get(Pod, "vital", "default").status.nominated_node_name)
    with pytest.raises(NotFound):
        admin.get(Pod, "a", "default")
