"""The deployment controller beside a real API server; pods are made ready by the test, as a node would."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.apps import Deployment, ReplicaSet
from api.codec import convert
from api.core import Event, Node, Pod
from api.core.quota import ResourceQuota
from api.errors import ApiError
from api.scalars import now
from client import Client
from tests.controllers.made import node as node_object
from tests.e2e.waiting import until

REVISION = "deployment.kubernetes.io/revision"


@pytest.fixture(autouse=True)
def running(controllers: Callable[[], Any]) -> None:
    controllers()


@pytest.fixture
def node(admin: Client, namespace: str) -> Iterator[None]:
    """Makes every pod of the namespace ready, soon after it is there."""
    stop = threading.Event()

    def work() -> None:
        ready = [{"type": "Ready", "status": "True", "lastTransitionTime": now()}]
        while not stop.wait(0.02):
            for pod in admin.list(Pod, namespace).items:
                if not pod.status.conditions:
                    status = {"status": {"phase": "Running", "conditions": ready}}
                    try:
                        admin.patch(Pod, pod.metadata.name, namespace, status, subresource="status", form="merge")
                    except ApiError:
                        continue

    thread = threading.Thread(target=work, name="node under test")
    thread.start()
    yield
    stop.set()
    thread.join(10)


def make(admin: Client, namespace: str, *, replicas: int = 3, image: str = "web:1", **spec: Any) -> Deployment:
    document = {
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
            **spec,
        },
    }
    return admin.create(convert(document, Deployment))


def set_image(admin: Client, namespace: str, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}}
    admin.patch(Deployment, "web", namespace, patch)


def settled(admin: Client, namespace: str) -> Deployment | None:
    """The deployment once its rollout is over."""
    item = admin.get(Deployment, "web", namespace)
    status, wanted = item.status, item.spec.replicas
    over = status.observed_generation == item.metadata.generation and (
        status.updated_replicas == status.replicas == status.available_replicas == wanted
    )
    return item if over else None


def images(admin: Client, namespace: str) -> set[str]:
    return {pod.spec.containers[0].image for pod in admin.list(Pod, namespace).items}


@pytest.mark.usefixtures("node")
def test_a_new_template_replaces_the_pods_and_the_old_set_stays_for_going_back(admin: Client, namespace: str) -> None:
    make(admin, namespace)
    first = until(lambda: settled(admin, namespace))
    assert first.metadata.annotations[REVISION] == "1"
    set_image(admin, namespace, "web:2")
    until(lambda: images(admin, namespace) == {"web:2"})
    until(lambda: (done := settled(admin, namespace)) and done.metadata.annotations[REVISION] == "2")
    set_image(admin, namespace, "web:1")
    until(lambda: images(admin, namespace) == {"web:1"})
    until(lambda: (done := settled(admin, namespace)) and done.metadata.annotations[REVISION] == "3")
    sets = admin.list(ReplicaSet, namespace).items
    assert sorted(item.spec.replicas or 0 for item in sets) == [0, 3]
    done = until(lambda: settled(admin, namespace))
    assert {item.type: (item.status, item.reason) for item in done.status.conditions} == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert "ScalingReplicaSet" in {event.reason for event in admin.list(Event, namespace).items}


@pytest.mark.usefixtures("node")
def test_a_paused_deployment_waits(admin: Client, namespace: str) -> None:
    make(admin, namespace, replicas=1)
    until(lambda: settled(admin, namespace))
    admin.patch(Deployment, "web", namespace, {"spec": {"paused": True}}, form="merge")
    set_image(admin, namespace, "web:2")

    def observed() -> bool:
        item = admin.get(Deployment, "web", namespace)
        return item.status.observed_generation == item.metadata.generation

    until(observed)
    assert images(admin, namespace) == {"web:1"}
    admin.patch(Deployment, "web", namespace, {"spec": {"paused": False}}, form="merge")
    until(lambda: images(admin, namespace) == {"web:2"})


def sizes(admin: Client, namespace: str) -> dict[str, int]:
    """By the image of the template."""
    found = {}
    for item in admin.list(ReplicaSet, namespace).items:
        assert item.spec.template is not None
        found[item.spec.template.spec.containers[0].image] = item.spec.replicas or 0
    return found


def test_a_paused_deployment_is_scaled_each_template_by_its_share(admin: Client, namespace: str) -> None:
    """Without a node no pod becomes ready, so that the rollout stays where it is."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    make(admin, namespace, replicas=4, strategy=strategy)
    until(lambda: sizes(admin, namespace) == {"web:1": 4})
    set_image(admin, namespace, "web:2")
    until(lambda: sizes(admin, namespace) == {"web:1": 4, "web:2": 2})
    for replicas, expected in ((8, {"web:1": 7, "web:2": 3}), (2, {"web:1": 3, "web:2": 1})):
        patch = {"spec": {"paused": True, "replicas": replicas}}
        admin.patch(Deployment, "web", namespace, patch, form="merge")
        until(lambda expected=expected: sizes(admin, namespace) == expected)
    until(lambda: len(admin.list(Pod, namespace).items) == 4)


@pytest.mark.usefixtures("node")
def test_the_cause_of_a_change_is_kept_with_its_revision(admin: Client, namespace: str) -> None:
    make(admin, namespace, replicas=1)
    until(lambda: settled(admin, namespace))
    cause = "kubernetes.io/change-cause"
    for number in (1, 2):
        patch = {"metadata": {"annotations": {cause: f"image {number}"}}}
        admin.patch(Deployment, "web", namespace, patch)
        set_image(admin, namespace, f"web:{number}")

        def told(number: int = number) -> bool:
            found = {
                item.metadata.annotations[REVISION]: item.metadata.annotations.get(cause)
                for item in admin.list(ReplicaSet, namespace).items
            }
            return found.get(str(number)) == f"image {number}"

        until(told)
    admin.patch(Deployment, "web", namespace, {"spec": {"minReadySeconds": 1}}, form="merge")
    until(lambda: {item.spec.min_ready_seconds for item in admin.list(ReplicaSet, namespace).items} == {0, 1})
    set_image(admin, namespace, "web:1")

    def back() -> bool:
        found = [item.metadata.annotations for item in admin.list(ReplicaSet, namespace).items]
        return any(
            one[REVISION] == "3" and one.get("deployment.kubernetes.io/revision-history") == "1" for one in found
        )

    until(back)


def test_what_a_quota_keeps_from_being_made_is_told(admin: Client, namespace: str) -> None:
    hard = {"metadata": {"name": "most", "namespace": namespace}, "spec": {"hard": {"pods": "1"}}}
    admin.create(convert(hard, ResourceQuota))
    make(admin, namespace, replicas=3)

    def failure(kind: type[Any]) -> Any:
        conditions = [one for item in admin.list(kind, namespace).items for one in item.status.conditions]
        return next((one for one in conditions if one.type == "ReplicaFailure"), None)

    for kind in (ReplicaSet, Deployment):
        found = until(lambda kind=kind: failure(kind))
        assert (found.status, found.reason) == ("True", "FailedCreate")
        assert "exceeded quota: most" in found.message
    until(lambda: admin.get(Deployment, "web", namespace).status.replicas == 1)
    admin.delete(ResourceQuota, "most", namespace)
    until(lambda: len(admin.list(Pod, namespace).items) == 3)
    until(lambda: failure(ReplicaSet) is None and failure(Deployment) is None)


def test_a_replica_set_that_cannot_be_made_is_told(admin: Client, namespace: str) -> None:
    key = "count/replicasets.apps"
    hard = {"metadata": {"name": "most", "namespace": namespace}, "spec": {"hard": {key: "0"}}}
    admin.create(convert(hard, ResourceQuota))
    made = make(admin, namespace, replicas=1)

    def progress() -> tuple[str, str, str]:
        found = admin.get(Deployment, "web", namespace).status.conditions
        return next(((one.status, one.reason, one.message) for one in found if one.type == "Progressing"), ("", "", ""))

    until(lambda: progress()[:2] == ("False", "ReplicaSetCreateError"))
    assert progress()[2].startswith('Failed to create new replica set "web-')
    assert "exceeded quota: most" in progress()[2]

    def told() -> bool:
        events = admin.list(Event, namespace).items
        return any(
            (one.reason, one.involved_object.uid) == ("ReplicaSetCreateError", made.metadata.uid) for one in events
        )

    until(told)
    admin.delete(ResourceQuota, "most", namespace)
    until(lambda: progress()[0] == "True")


def test_a_rollout_that_does_not_move_is_said_to_be_late(admin: Client, namespace: str) -> None:
    make(admin, namespace, replicas=1, progressDeadlineSeconds=1)

    def late() -> bool:
        found = admin.get(Deployment, "web", namespace).status.conditions
        return any(item.type == "Progressing" and item.reason == "ProgressDeadlineExceeded" for item in found)

    until(late)


@pytest.mark.usefixtures("node")
def test_recreate_has_never_two_versions_at_once(admin: Client, namespace: str) -> None:
    make(admin, namespace, replicas=2, strategy={"type": "Recreate"})
    until(lambda: settled(admin, namespace))
    set_image(admin, namespace, "web:2")
    seen: list[set[str]] = []

    def replaced() -> bool:
        seen.append(images(admin, namespace))
        return seen[-1] == {"web:2"}

    until(replaced)
    assert all(len(both) < 2 for both in seen)


@pytest.fixture
def host(admin: Client) -> Iterator[str]:
    """The name of a node without an agent: who is bound to it goes when the test says so."""
    made = admin.create(node_object(f"host-{uuid.uuid4().hex[:8]}"))
    yield made.metadata.name
    admin.delete(Node, made.metadata.name)


@pytest.mark.usefixtures("node")
def test_recreate_waits_for_pods_on_their_way_out(admin: Client, namespace: str, host: str) -> None:
    """Replica sets do not count them any more, but what they hold is not free yet."""
    make(admin, namespace, replicas=2, strategy={"type": "Recreate"})
    until(lambda: settled(admin, namespace))
    first, second = (pod.metadata.name for pod in admin.list(Pod, namespace).items)
    for name in (first, second):
        admin.bind(name, namespace, host)
    set_image(admin, namespace, "web:2")
    until(lambda: sizes(admin, namespace) == {"web:1": 0, "web:2": 0})
    until(lambda: all(pod.metadata.deletion_timestamp for pod in admin.list(Pod, namespace).items))
    until(lambda: admin.get(Deployment, "web", namespace).status.replicas == 0)
    admin.delete(Pod, first, namespace, grace_s=0)
    # A look that could go wrong.
    admin.patch(Deployment, "web", namespace, {"spec": {"minReadySeconds": 1}}, form="merge")
    until(lambda: {one.spec.min_ready_seconds for one in admin.list(ReplicaSet, namespace).items} == {0, 1})
    assert sizes(admin, namespace) == {"web:1": 0, "web:2": 0}
    # From here on nothing but the end of the last pod leads to a look.
    until(lambda: all(is_seen(one) for kind in (Deployment, ReplicaSet) for one in admin.list(kind, namespace).items))
    until(lambda: unchanged_for(1.0, lambda: versions(admin, namespace)))
    admin.delete(Pod, second, namespace, grace_s=0)
    until(lambda: images(admin, namespace) == {"web:2"})


def is_seen(item: Deployment | ReplicaSet) -> bool:
    return item.status.observed_generation == item.metadata.generation


def versions(admin: Client, namespace: str) -> list[str]:
    found = [one for kind in (Deployment, ReplicaSet) for one in admin.list(kind, namespace).items]
    return [one.metadata.resource_version for one in found]


def unchanged_for(seconds: float, read: Callable[[], object]) -> bool:
    before = read()
    time.sleep(seconds)
    return read() == before


def test_a_replica_set_that_matches_no_more_is_released(admin: Client, namespace: str) -> None:
    made = make(admin, namespace, replicas=1)
    (first,) = until(lambda: admin.list(ReplicaSet, namespace).items)

    def owners(name: str) -> list[str]:
        return [one.uid for one in admin.get(ReplicaSet, name, namespace).metadata.owner_references]

    admin.patch(ReplicaSet, first.metadata.name, namespace, {"metadata": {"labels": {"app": "debug"}}})
    until(lambda: owners(first.metadata.name) == [])
    admin.patch(ReplicaSet, first.metadata.name, namespace, {"metadata": {"labels": {"app": "web"}}})
    until(lambda: owners(first.metadata.name) == [made.metadata.uid])


@pytest.mark.usefixtures("node")
def test_what_a_deployment_made_goes_with_it(admin: Client, namespace: str) -> None:
    make(admin, namespace, replicas=2)
    until(lambda: settled(admin, namespace))
    admin.delete(Deployment, "web", namespace, propagation="Background")
    until(lambda: not admin.list(ReplicaSet, namespace).items)
    until(lambda: not admin.list(Pod, namespace).items)
