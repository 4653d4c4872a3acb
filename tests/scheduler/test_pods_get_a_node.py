"""The whole scheduler against a real API server."""

from collections.abc import Iterator

import pytest

from api.codec import convert
from api.core import Event, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import NotFound
from api.meta import ObjectMeta
from client import Client
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import empty, join, node_of, reasons, scheduler, why

NO_VICTIMS = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
NO_ROOM = f"0/1 nodes are available: 1 Insufficient cpu. {NO_VICTIMS}"
NO_HELP = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
CORDONED = f"0/1 nodes are available: 1 node(s) were unschedulable. {NO_HELP}"


@pytest.fixture
def scheduling(master: Master) -> Iterator[None]:
    with scheduler(master):
        yield


@pytest.fixture(autouse=True)
def emptied(admin: Client) -> Iterator[None]:
    yield
    empty(admin)


@pytest.mark.usefixtures("scheduling")
def test_a_waiting_pod_is_bound(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(pod("a"))
    until(lambda: node_of(admin, "a") == "n1")
    scheduled = next(item for item in admin.get(Pod, "a", "default").status.conditions if item.type == "PodScheduled")
    assert scheduled.status == "True"
    until(lambda: reasons(admin, "a") == ["Scheduled"])


@pytest.mark.usefixtures("scheduling")
def test_many_pods_are_spread_and_no_node_is_overfilled(admin: Client) -> None:
    for name in ("n1", "n2"):
        join(admin, node(name, room={"pods": "5"}))
    for number in range(12):
        admin.create(pod(f"m{number}"))

    def placed() -> list[str]:
        return [one.spec.node_name for one in admin.list(Pod).items if one.spec.node_name]

    until(lambda: len(placed()) == 10)
    until(lambda: sum(bool(why(admin, f"m{number}")) for number in range(12)) == 2)
    assert sorted(placed()) == ["n1"] * 5 + ["n2"] * 5


@pytest.mark.usefixtures("scheduling")
def test_a_pod_that_fits_nowhere_says_why_and_goes_when_there_is_room(admin: Client) -> None:
    admin.create(pod("big", cpu="3"))
    until(lambda: why(admin, "big") == "no nodes available to schedule pods")
    join(admin, node("n1"))
    until(lambda: node_of(admin, "big") == "n1")
    admin.create(pod("next", cpu="3"))
    until(lambda: why(admin, "next") == NO_ROOM)
    until(lambda: "FailedScheduling" in reasons(admin, "next"))
    admin.delete(Pod, "big", "default", grace_s=0)
    until(lambda: node_of(admin, "next") == "n1")


@pytest.mark.usefixtures("scheduling")
def test_a_refusal_is_told_once_while_nothing_changes(admin: Client) -> None:
    admin.create(pod("lonely"))
    until(lambda: why(admin, "lonely"))
    until(lambda: reasons(admin, "lonely"))
    admin.create(pod("after"))
    until(lambda: why(admin, "after"))
    (event,) = admin.list(Event, fields="involvedObject.name=lonely").items
    assert event.count == 1


@pytest.mark.usefixtures("scheduling")
def test_a_cordoned_node_is_used_again_after_uncordon(admin: Client) -> None:
    join(admin, node("n1", spec={"unschedulable": True}))
    admin.create(pod("a"))
    until(lambda: why(admin, "a") == CORDONED)
    admin.patch(Node, "n1", "", {"spec": {"unschedulable": None}}, form="merge")
    until(lambda: node_of(admin, "a") == "n1")


@pytest.mark.usefixtures("scheduling")
def test_other_schedulers_pods_and_gated_pods_are_left(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(pod("theirs", schedulerName="other"))
    admin.create(pod("gated", schedulingGates=[{"name": "wait"}]))
    admin.create(pod("mine"))
    until(lambda: node_of(admin, "mine") == "n1")
    until(lambda: "scheduling gates" in why(admin, "gated"))
    assert node_of(admin, "theirs") == ""
    admin.patch(Pod, "gated", "default", {"spec": {"schedulingGates": None}}, form="merge")
    until(lambda: node_of(admin, "gated") == "n1")


def test_a_new_scheduler_counts_what_is_bound_already(admin: Client, master: Master) -> None:
    join(admin, node("n1", room={"cpu": "2"}))
    admin.create(pod("old", cpu="2"))
    admin.bind("old", "default", "n1")
    admin.create(pod("new", cpu="1"))
    with scheduler(master):
        until(lambda: why(admin, "new") == NO_ROOM)


def follows(**term: object) -> dict[str, object]:
    wanted = {"labelSelector": {"matchLabels": {"app": "lead"}}, "topologyKey": "kubernetes.io/hostname", **term}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [wanted]}}


NOT_NEAR = f"0/1 nodes are available: 1 node(s) didn't match pod affinity rules. {NO_HELP}"


@pytest.mark.usefixtures("scheduling")
def test_a_pod_that_is_placed_lets_those_in_who_want_to_be_near(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(pod("follower", affinity=follows()))
    until(lambda: why(admin, "follower") == NOT_NEAR)
    admin.create(pod("lead", labels={"app": "lead"}))
    until(lambda: node_of(admin, "follower") == "n1")


@pytest.mark.usefixtures("scheduling")
def test_a_namespace_that_gets_labels_lets_those_in_who_want_to_be_near_its_pods(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(Namespace(metadata=ObjectMeta(name="elsewhere")))
    lead = admin.create(pod("lead", namespace="elsewhere", labels={"app": "lead"}))
    until(lambda: admin.get(Pod, "lead", lead.metadata.namespace).spec.node_name == "n1")
    admin.create(pod("follower", affinity=follows(namespaceSelector={"matchLabels": {"team": "a"}})))
    until(lambda: why(admin, "follower") == NOT_NEAR)
    admin.patch(Namespace, "elsewhere", "", {"metadata": {"labels": {"team": "a"}}})
    until(lambda: node_of(admin, "follower") == "n1")


@pytest.mark.usefixtures("scheduling")
def test_a_pod_deleted_while_it_waits_is_forgotten(admin: Client) -> None:
    admin.create(pod("gone"))
    until(lambda: why(admin, "gone"))
    admin.delete(Pod, "gone", "default", grace_s=0)
    join(admin, node("n1"))
    admin.create(pod("a"))
    until(lambda: node_of(admin, "a") == "n1")
    with pytest.raises(NotFound):
        admin.get(Pod, "gone", "default")


@pytest.mark.usefixtures("scheduling")
def test_a_gated_pod_is_not_spoken_of_as_failed(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(pod("held", schedulingGates=[{"name": "wait"}]))
    admin.create(pod("behind"))
    until(lambda: reasons(admin, "behind") == ["Scheduled"])
    until(lambda: why(admin, "held"))
    (condition,) = [one for one in admin.get(Pod, "held", "default").status.conditions if one.type == "PodScheduled"]
    assert (condition.status, condition.reason) == ("False", "SchedulingGated")
    assert reasons(admin, "held") == []


@pytest.mark.usefixtures("scheduling")
def test_a_refusal_is_written_once_however_often_it_is_tried(admin: Client) -> None:
    join(admin, node("n1"))
    admin.create(pod("huge", cpu="9"))
    until(lambda: why(admin, "huge"))
    version = admin.get(Pod, "huge", "default").metadata.resource_version
    for number in range(4):
        admin.patch(Node, "n1", "", {"metadata": {"labels": {"turn": str(number)}}}, form="merge")
    admin.patch(Pod, "huge", "default", {"metadata": {"labels": {"look": "again"}}}, form="merge")
    labelled = admin.get(Pod, "huge", "default").metadata.resource_version
    # A pod that comes after it and is placed shows that the turn of the first is over.
    admin.create(pod("tiny"))
    until(lambda: node_of(admin, "tiny"))
    assert version != labelled == admin.get(Pod, "huge", "default").metadata.resource_version
    (event,) = admin.list(Event, fields="involvedObject.name=huge").items
    assert event.count == 1


@pytest.mark.usefixtures("scheduling")
def test_a_pod_waits_for_its_claim_and_goes_where_the_volume_is(admin: Client) -> None:
    for name in ("n1", "n2"):
        join(admin, node(name))
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    admin.create(pod("reader", volumes=[volume]))
    until(lambda: 'persistentvolumeclaim "data" not found' in why(admin, "reader"))
    claim = {"metadata": {"name": "data", "namespace": "default"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    claim["spec"] |= {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "local"}
    admin.create(convert(claim, PersistentVolumeClaim))
    until(lambda: "unbound immediate PersistentVolumeClaims" in why(admin, "reader"))
    there = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "local": {"path": "/data"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [there]}},
    }
    admin.create(convert({"metadata": {"name": "local"}, "spec": spec}, PersistentVolume))
    admin.patch(
        PersistentVolumeClaim, "data", "default", {"status": {"phase": "Bound"}}, subresource="status", form="merge"
    )
    until(lambda: node_of(admin, "reader") == "n2")
