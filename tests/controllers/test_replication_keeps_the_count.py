"""The replication controller beside a real API server."""

import threading

import pytest

from api.core import Event, Namespace, Pod, ReplicationController
from api.core.quota import ResourceQuota, ResourceQuotaSpec
from api.errors import Conflict
from api.meta import ObjectMeta
from api.scalars import Quantity
from client import Client, EventRecorder
from master.controllers.informers import Informers
from master.controllers.ownership import reference
from master.controllers.replication import ReplicationManager
from master.writers import Writers
from tests.controllers.live import LIMIT_S, Master
from tests.controllers.made import controller, pod
from tests.e2e.waiting import until


@pytest.fixture(autouse=True)
def running(request: pytest.FixtureRequest) -> None:
    """All controllers run, but for tests that start the one they need."""
    if "slow" not in request.node.name:
        request.getfixturevalue("controllers")()


def pods(admin: Client, namespace: str) -> list[Pod]:
    return [one for one in admin.list(Pod, namespace).items if one.metadata.deletion_timestamp is None]


def scale(admin: Client, namespace: str, replicas: int, name: str = "web") -> None:
    admin.patch(ReplicationController, name, namespace, {"spec": {"replicas": replicas}}, form="merge")


def reported(admin: Client, namespace: str, name: str = "web") -> int:
    """Replicas, once the status speaks of the newest wish."""
    item = admin.get(ReplicationController, name, namespace)
    return item.status.replicas if item.status.observed_generation == item.metadata.generation else -1


def test_the_count_follows_the_wish(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=0))
    until(lambda: reported(admin, namespace) == 0)
    for wanted in (3, 5, 2, 0):
        scale(admin, namespace, wanted)
        until(lambda wanted=wanted: len(pods(admin, namespace)) == wanted)  # type: ignore[misc]
        until(lambda wanted=wanted: reported(admin, namespace) == wanted)  # type: ignore[misc]
    reasons = {event.reason for event in admin.list(Event, namespace).items}
    assert {"SuccessfulCreate", "SuccessfulDelete"} <= reasons


def test_a_made_pod_is_of_the_template_and_owned(admin: Client, namespace: str) -> None:
    owner = admin.create(controller(namespace=namespace, replicas=1))
    (made,) = until(lambda: pods(admin, namespace))
    assert made.metadata.name.startswith("web-")
    assert made.metadata.labels == {"app": "web", "tier": "front"}
    assert [item.image for item in made.spec.containers] == ["web:1"]
    (reference,) = made.metadata.owner_references
    assert (reference.uid, reference.controller, reference.block_owner_deletion) == (owner.metadata.uid, True, True)


def test_a_deleted_pod_is_replaced(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=2))
    until(lambda: len(pods(admin, namespace)) == 2)
    first = pods(admin, namespace)[0].metadata
    admin.delete(Pod, first.name, namespace)
    until(lambda: len(pods(admin, namespace)) == 2 and first.uid not in uids(admin, namespace))


def uids(admin: Client, namespace: str) -> set[str]:
    return {one.metadata.uid for one in pods(admin, namespace)}


def test_pods_that_come_and_go_unseen_are_replaced_in_time(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=4))
    seen: set[str] = set()

    def culled() -> bool:
        for one in pods(admin, namespace):
            if len(seen) < 12:
                seen.add(one.metadata.uid)
                admin.delete(Pod, one.metadata.name, namespace, grace_s=0)
        return len(seen) >= 12

    until(culled)
    until(lambda: len(pods(admin, namespace)) == 4, limit_s=5)


def test_an_ended_pod_is_replaced(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=1))
    (first,) = until(lambda: pods(admin, namespace))
    admin.patch(Pod, first.metadata.name, namespace, {"status": {"phase": "Failed"}}, subresource="status")
    until(lambda: len(pods(admin, namespace)) == 2)
    until(lambda: reported(admin, namespace) == 1)


def test_matching_pods_without_an_owner_are_adopted(admin: Client, namespace: str) -> None:
    loose = pod("loose")
    loose.metadata.namespace = namespace
    admin.create(loose)
    other = pod("other", labels={"app": "other"})
    other.metadata.namespace = namespace
    admin.create(other)
    owner = admin.create(controller(namespace=namespace, replicas=2))
    until(lambda: owners(admin, "loose", namespace) == [owner.metadata.uid])
    until(lambda: reported(admin, namespace) == 2)
    assert len(pods(admin, namespace)) == 3
    assert owners(admin, "other", namespace) == []


def owners(admin: Client, name: str, namespace: str) -> list[str]:
    return [owner.uid for owner in admin.get(Pod, name, namespace).metadata.owner_references]


def test_a_pod_that_matches_no_more_is_released_and_replaced(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=2))
    until(lambda: len(pods(admin, namespace)) == 2)
    name = pods(admin, namespace)[0].metadata.name
    admin.patch(Pod, name, namespace, {"metadata": {"labels": {"app": "debug"}}})
    until(lambda: owners(admin, name, namespace) == [])
    until(lambda: len(pods(admin, namespace)) == 3)
    admin.patch(Pod, name, namespace, {"metadata": {"labels": {"app": "web"}}})
    until(lambda: len(pods(admin, namespace)) == 2)


def test_readiness_is_reported(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=2))
    until(lambda: len(pods(admin, namespace)) == 2)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    name = pods(admin, namespace)[0].metadata.name
    admin.patch(Pod, name, namespace, {"status": {"conditions": [ready]}}, subresource="status")

    def counts() -> tuple[int, int]:
        status = admin.get(ReplicationController, "web", namespace).status
        return status.ready_replicas, status.available_replicas

    until(lambda: counts() == (1, 1))


def test_the_last_owner_takes_its_pods_along(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=3))
    until(lambda: len(pods(admin, namespace)) == 3)
    admin.delete(ReplicationController, "web", namespace, propagation="Background")
    until(lambda: not pods(admin, namespace))


def test_a_new_controller_of_the_same_name_begins_with_its_own_pods(admin: Client, namespace: str) -> None:
    admin.create(controller(namespace=namespace, replicas=2))
    until(lambda: len(pods(admin, namespace)) == 2)
    admin.delete(ReplicationController, "web", namespace, propagation="Background")
    second = admin.create(controller(namespace=namespace, replicas=2))

    def all_owned() -> bool:
        owned = [[owner.uid for owner in one.metadata.owner_references] for one in pods(admin, namespace)]
        return owned == [[second.metadata.uid]] * 2

    until(all_owned)


def test_a_former_owner_is_told_slow_or_not(master: Master) -> None:
    """A pod that is taken away and renamed at once is nobody's, and matches nobody: only what it was tells whom to ask.
    No look that is due for another reason may stand in for that, so the change itself is made here.
    """
    client = master.client("controller-manager")
    informers = Informers(client)
    writers = Writers(1, "test")
    queue = ReplicationManager(client, informers, EventRecorder(client, "test"), writers=writers).loop.queue
    before, after = pod("p"), pod("p", labels={"app": "debug"})
    before.metadata.owner_references = [reference(controller())]
    for event_type, one in (("ADDED", before), ("MODIFIED", after)):
        informers.pods._take(event_type, one)
        key = queue.get(timeout_s=5)
        assert key == ("default", "web")
        queue.done(key)


class Slowly:
    """Holds back what an informer tells until it is let go."""

    def __init__(self, informers: Informers) -> None:
        self.going = threading.Event()
        take = informers.pods._take

        def held(event_type: str, item: Pod) -> None:
            assert self.going.wait(LIMIT_S)
            take(event_type, item)

        informers.pods._take = held  # type: ignore[method-assign]


def test_a_slow_watch_makes_no_pod_too_many(master: Master, admin: Client, namespace: str) -> None:
    client = master.client("controller-manager")
    recorder = EventRecorder(client, "test")
    informers = Informers(client)
    slowly = Slowly(informers)
    writers = Writers(4, "test")
    manager = ReplicationManager(client, informers, recorder, workers=2, writers=writers)
    informers.start()
    try:
        assert informers.wait_synced(threading.Event())
        manager.loop.start()
        admin.create(controller(namespace=namespace, replicas=3))
        until(lambda: len(pods(admin, namespace)) == 3)
        for replicas in (3, 4, 4):
            # Each change is one more look, with a copy that shows none of the pods.
            annotation = {"metadata": {"annotations": {"look": str(replicas)}}, "spec": {"replicas": replicas}}
            admin.patch(ReplicationController, "web", namespace, annotation, form="merge")
        until(lambda: len(pods(admin, namespace)) == 4)
        generation = admin.get(ReplicationController, "web", namespace).metadata.generation
        until(lambda: observed(informers, namespace) == generation)
        assert len(pods(admin, namespace)) == 4
        slowly.going.set()
        until(lambda: reported(admin, namespace) == 4)
        assert len(pods(admin, namespace)) == 4
    finally:
        slowly.going.set()
        manager.loop.stop()
        writers.stop()
        informers.stop()
        recorder.close()
        client.close()


def test_a_slow_watch_adopts_nothing_for_a_controller_that_has_gone(
    master: Master, admin: Client, namespace: str
) -> None:
    """What was freed by the deletion of its owner would be collected with it."""
    client = master.client("controller-manager")
    recorder, informers, writers = EventRecorder(client, "test"), Informers(client), Writers(4, "test")
    manager = ReplicationManager(client, informers, recorder, writers=writers)
    try:
        old = admin.create(controller(namespace=namespace, replicas=1))
        loose = pod("loose")
        loose.metadata.namespace = namespace
        admin.create(loose)
        for informer in (informers.pods, informers.replication_controllers):
            informer._list()
        admin.delete(ReplicationController, "web", namespace, propagation="Orphan")
        for said in ("has just been deleted", "has gone", "has just been deleted"):
            with pytest.raises(Conflict, match=said):
                manager.reconcile((namespace, "web"))
            assert owners(admin, "loose", namespace) == []
            if said == "has just been deleted":
                free = {"metadata": {"finalizers": None}}
                admin.patch(ReplicationController, "web", namespace, free, form="merge")
            else:
                # Another one of the same name.
                assert admin.create(controller(namespace=namespace)).metadata.uid != old.metadata.uid
        assert [one.metadata.name for one in pods(admin, namespace)] == ["loose"]
    finally:
        writers.stop()
        recorder.close()
        client.close()


def observed(informers: Informers, namespace: str) -> int:
    item = informers.replication_controllers.get(namespace, "web")
    return item.status.observed_generation if item is not None else 0


def test_a_slow_watch_counts_nobody_who_was_deleted(master: Master, admin: Client, namespace: str) -> None:
    client = master.client("controller-manager")
    recorder, informers, writers = EventRecorder(client, "test"), Informers(client), Writers(4, "test")
    manager = ReplicationManager(client, informers, recorder, writers=writers)
    key = (namespace, "web")
    try:
        admin.create(controller(namespace=namespace, replicas=5))
        informers.replication_controllers._list()
        assert manager.reconcile(key) == "created 5 pods"
        informers.pods._list()
        for replicas, said in ((3, "deleted 2 pods"), (3, ""), (4, "created 1 pods"), (4, "")):
            scale(admin, namespace, replicas)
            # The copy of the pods stays as it was: five of them.
            informers.replication_controllers._list()
            assert manager.reconcile(key) == said
        assert len(pods(admin, namespace)) == 4
    finally:
        writers.stop()
        recorder.close()
        client.close()


def test_nothing_is_tried_in_a_namespace_that_ends_however_slow_its_end(
    master: Master, admin: Client, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No controller empties the namespace here."""
    client = master.client("controller-manager")
    recorder = EventRecorder(client, "test")
    informers = Informers(client)
    writers = Writers(4, "test")
    manager = ReplicationManager(client, informers, recorder, workers=2, writers=writers)
    informers.start()
    try:
        assert informers.wait_synced(threading.Event())
        manager.loop.start()
        admin.create(controller(namespace=namespace, replicas=0))
        admin.delete(Namespace, namespace)
        scale(admin, namespace, 3)
        until(lambda: reported(admin, namespace) == 0)
        assert "event not sent" not in caplog.text
        assert "reconcile failed" not in caplog.text
        assert admin.get(ReplicationController, "web", namespace).status.conditions == []
    finally:
        manager.loop.stop()
        writers.stop()
        informers.stop()
        recorder.close()
        client.close()


def test_creates_that_fail_are_not_tried_by_the_hundred(admin: Client, namespace: str) -> None:
    """A namespace that is full must not be stormed with what will be refused."""
    hard = ResourceQuotaSpec(hard={"pods": Quantity("2")})
    admin.create(ResourceQuota(metadata=ObjectMeta(name="full", namespace=namespace), spec=hard))
    admin.create(controller(namespace=namespace, replicas=100))

    def failures() -> int:
        found = [one for one in admin.list(Event, namespace).items if one.reason == "FailedCreate"]
        return sum(one.count for one in found)

    until(lambda: failures() > 2)
    assert failures() < 30
    assert len(admin.list(Pod, namespace).items) == 2
    admin.patch(ResourceQuota, "full", namespace, {"spec": {"hard": {"pods": "100"}}}, form="merge")
    until(lambda: len(admin.list(Pod, namespace).items) == 100)
