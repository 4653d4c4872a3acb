"""The disruption controller: what it works out, and what it tells beside a real API server."""

from datetime import timedelta
from typing import Any

import pytest

from api.apps_sets import StatefulSet
from api.codec import convert, encode
from api.core import Event, Pod, ReplicationController
from api.errors import TooManyRequests
from api.meta import ObjectMeta, OwnerReference
from api.policy import Eviction, PodDisruptionBudget
from api.resources import resource_of
from client import Client
from master.controllers.budgets import DELETION_TIMEOUT, Need, needed, noted, status_of
from tests.controllers.made import NOW, controller, pod
from tests.e2e.waiting import until

NAMES = [f"p{number}" for number in range(5)]


def budget(namespace: str = "default", status: dict[str, Any] | None = None, **spec: Any) -> PodDisruptionBudget:
    document = {
        "metadata": {"name": "web", "namespace": namespace, "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
        "status": status or {},
    }
    return convert(document, PodDisruptionBudget)


@pytest.mark.parametrize(
    ("spec", "need"),
    [
        ({"minAvailable": 2}, Need(5, 2)),
        ({"minAvailable": "50%"}, Need(7, 4)),
        ({"minAvailable": "100%"}, Need(7, 7)),
        ({"maxUnavailable": 2}, Need(7, 5)),
        ({"maxUnavailable": 9}, Need(7, 0)),
        ({"maxUnavailable": "30%"}, Need(7, 4)),
        ({"maxUnavailable": 0}, Need(7, 7)),
        ({}, Need(0, 0)),
    ],
)
def test_what_is_needed_follows_the_number_or_the_share(spec: dict[str, Any], need: Need) -> None:
    assert needed(budget(**spec).spec, pods=5, scale=7) == need


def test_pods_that_go_or_are_told_to_go_are_not_healthy() -> None:
    pods = [pod(name, ready=True) for name in NAMES[:3]] + [pod("p3", ready=False), pod("p4", ready=True, going=True)]
    status = status_of(budget(minAvailable=1), pods, Need(5, 1), {"p0": NOW}, NOW)
    assert (status.current_healthy, status.disruptions_allowed) == (2, 1)
    assert (status.expected_pods, status.desired_healthy, status.observed_generation) == (5, 1, 1)
    assert [(one.type, one.status, one.reason) for one in status.conditions] == [
        ("DisruptionAllowed", "True", "SufficientPods")
    ]


def test_a_budget_of_which_no_pod_is_expected_allows_nothing() -> None:
    status = status_of(budget(minAvailable=0), [], Need(0, 0), {}, NOW)
    assert status.disruptions_allowed == 0


def test_an_allowance_that_was_not_used_is_given_up_in_time() -> None:
    early, late = NOW - DELETION_TIMEOUT / 2, NOW - DELETION_TIMEOUT - timedelta(seconds=1)
    stamps = {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in (("p0", early), ("p1", late), ("gone", early))}
    known = noted(budget(status={"disruptedPods": stamps}), [pod("p0"), pod("p1"), pod("p2")], NOW)
    assert dict(known.awaited) == {"p0": early}
    assert [one.metadata.name for one in known.staying] == ["p1"]
    assert known.recheck_s(NOW) == pytest.approx(60, abs=1)


class Cluster:
    """A controller's pods, made ready by hand."""

    def __init__(self, admin: Client, namespace: str) -> None:
        self.admin, self.namespace = admin, namespace

    def pods(self) -> list[Pod]:
        found = self.admin.list(Pod, self.namespace).items
        return [one for one in found if one.metadata.deletion_timestamp is None]

    def make_ready(self, one: Pod) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"phase": "Running", "conditions": [ready]}
        self.admin.patch(Pod, one.metadata.name, self.namespace, {"status": status}, subresource="status")

    def told(self) -> tuple[int, int, int, int]:
        """Healthy, wanted healthy, expected, allowed; once it is of the present generation."""
        found = self.admin.get(PodDisruptionBudget, "web", self.namespace)
        status = found.status
        if status.observed_generation != found.metadata.generation:
            return (-1, -1, -1, -1)
        return status.current_healthy, status.desired_healthy, status.expected_pods, status.disruptions_allowed

    def evict(self, one: Pod) -> None:
        meta = one.metadata
        body = Eviction(api_version="policy/v1", kind="Eviction", metadata=ObjectMeta(name=meta.name))
        path = resource_of(Pod).path(self.namespace, meta.name, "eviction")
        self.admin.transport.request("POST", path, body=encode(body))


def test_the_status_follows_pods_and_their_controllers_wish(admin: Client, namespace: str, controllers: Any) -> None:
    controllers()
    cluster = Cluster(admin, namespace)
    admin.create(budget(namespace, maxUnavailable="50%"))
    until(lambda: cluster.told() == (0, 0, 0, 0))
    admin.create(controller(namespace=namespace, replicas=4))
    until(lambda: cluster.told() == (0, 2, 4, 0) and len(cluster.pods()) == 4)
    for one in cluster.pods():
        cluster.make_ready(one)
    until(lambda: cluster.told() == (4, 2, 4, 2))
    first, second, *_ = cluster.pods()
    cluster.evict(first)
    until(lambda: cluster.told() == (3, 2, 4, 1))
    cluster.evict(second)
    until(lambda: cluster.told() == (2, 2, 4, 0))
    for one in cluster.pods():
        if any(condition.type == "Ready" for condition in one.status.conditions):
            with pytest.raises(TooManyRequests):
                cluster.evict(one)
    until(lambda: len(cluster.pods()) == 4)
    for one in cluster.pods():
        cluster.make_ready(one)
    until(lambda: cluster.told() == (4, 2, 4, 2))
    admin.patch(PodDisruptionBudget, "web", namespace, {"spec": {"maxUnavailable": 0}}, form="merge")
    until(lambda: cluster.told() == (4, 4, 4, 0))
    assert not admin.get(PodDisruptionBudget, "web", namespace).status.disrupted_pods
    assert admin.get(ReplicationController, "web", namespace).spec.replicas == 4


def test_a_stateful_set_is_asked_for_its_scale(admin: Client, namespace: str, controllers: Any) -> None:
    """Steersman runs none, but keeps those that another controller runs."""
    controllers()
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": 5, "selector": {"matchLabels": {"app": "web"}}, "template": template, "serviceName": "web"}
    made = admin.create(convert({"metadata": {"name": "db", "namespace": namespace}, "spec": spec}, StatefulSet))
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": made.metadata.uid, "controller": True}
    cluster = Cluster(admin, namespace)
    for number in range(3):
        one = pod(f"db-{number}", labels={"app": "web"})
        one.metadata.namespace = namespace
        one.metadata.owner_references = [convert(owner, OwnerReference)]
        cluster.make_ready(admin.create(one))
    admin.create(budget(namespace, maxUnavailable="40%"))
    until(lambda: cluster.told() == (3, 3, 5, 0))
    admin.patch(StatefulSet, "db", namespace, {"spec": {"replicas": 3}}, subresource="scale", form="merge")
    admin.patch(PodDisruptionBudget, "web", namespace, {"spec": {"maxUnavailable": 1}}, form="merge")
    until(lambda: cluster.told() == (3, 2, 3, 1))


def test_a_budget_that_cannot_be_judged_allows_nothing_and_says_so(
    admin: Client, namespace: str, controllers: Any
) -> None:
    controllers()
    strange = pod("strange", labels={"app": "web"})
    strange.metadata.namespace = namespace
    owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "u", "controller": True}
    strange.metadata.owner_references = [convert(owner, OwnerReference)]
    admin.create(strange)
    admin.create(budget(namespace, minAvailable="50%"))

    def reason() -> str:
        conditions = admin.get(PodDisruptionBudget, "web", namespace).status.conditions
        return conditions[0].reason if conditions else ""

    until(lambda: reason() == "SyncFailed")
    (told,) = admin.get(PodDisruptionBudget, "web", namespace).status.conditions
    assert told.message == 'no matches for kind "Thing" in version "example.com/v1"'
    until(lambda: "CalculateExpectedPodCountFailed" in {one.reason for one in admin.list(Event, namespace).items})
