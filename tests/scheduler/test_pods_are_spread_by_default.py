"""Constraints of the configuration, for pods that have none: they are spread among those that the same services and
controller select, as by Kubernetes' scheduler."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.apps import ReplicaSet
from api.apps_sets import StatefulSet
from api.codec import convert
from api.core import Node, Pod, ReplicationController, Service
from api.core.affinity import TopologySpreadConstraint
from api.meta import Object
from api.selectors import Selector, Term, from_map
from client import Client
from master.scheduler.companions import merged, of_services
from master.scheduler.terms import NO_TERMS, terms_by_default
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import empty, join, node_of, scheduler, why
from tests.scheduler.test_pods_spread_over_domains import UNEVEN, ZONE

WEB = {"app": "web"}
ZONES = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"}
TEMPLATE = {"metadata": {"labels": WEB}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
KINDS: dict[str, tuple[type[Object], dict[str, Any]]] = {
    "Service": (Service, {"selector": WEB, "ports": [{"port": 80}]}),
    "ReplicationController": (ReplicationController, {"selector": WEB, "template": TEMPLATE}),
    "ReplicaSet": (ReplicaSet, {"selector": {"matchLabels": WEB}, "template": TEMPLATE}),
    "StatefulSet": (StatefulSet, {"selector": {"matchLabels": WEB}, "template": TEMPLATE, "serviceName": "web"}),
}


@pytest.fixture(autouse=True)
def emptied(admin: Client) -> Iterator[None]:
    yield
    empty(admin)
    for kind, _ in KINDS.values():
        for one in admin.list(kind, "default").items:
            if one.metadata.name == "web":
                admin.delete(kind, "web", "default", propagation="Background")


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    args = {"defaultingType": "List", "defaultConstraints": [ZONES]}
    head = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    profiles = [{"pluginConfig": [{"name": "PodTopologySpread", "args": args}]}]
    file = tmp_path / "scheduler.yaml"
    file.write_text(json.dumps({**head, "profiles": profiles}))
    return file


def web(name: str, owner: Object | None = None, kind: str = "", **spec: Any) -> Pod:
    made = pod(name, labels=WEB, **spec)
    if owner is not None and kind != "Service":
        version = "v1" if kind == "ReplicationController" else "apps/v1"
        reference = {"apiVersion": version, "kind": kind, "name": "web", "uid": owner.metadata.uid, "controller": True}
        made.metadata.owner_references = convert({"ownerReferences": [reference]}, type(made.metadata)).owner_references
    return made


def two_zones(admin: Client) -> None:
    """In the first a pod that nobody owns; the second takes none, and so the first may not have a second one."""
    join(admin, node("a", labels={ZONE: "a"}))
    join(admin, node("b", labels={ZONE: "b"}, spec={"unschedulable": True}))
    admin.create(web("a1", nodeName="a"))


@pytest.mark.parametrize("kind", KINDS)
def test_who_selects_a_pod_says_among_whom_it_is_spread(
    master: Master, admin: Client, configuration: Path, kind: str
) -> None:
    two_zones(admin)
    of, spec = KINDS[kind]
    owner = admin.create(convert({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}, of))
    with scheduler(master, configuration=configuration):
        admin.create(web("p", owner, kind))
        until(lambda: UNEVEN in why(admin, "p"))
        # A constraint of its own goes before.
        admin.create(web("own", owner, kind, topologySpreadConstraints=[{**ZONES, "maxSkew": 5}]))
        until(lambda: node_of(admin, "own") == "a")
        admin.patch(Node, "b", "", {"spec": {"unschedulable": None}})
        until(lambda: node_of(admin, "p") == "b")


def test_a_pod_that_nothing_selects_goes_anywhere(master: Master, admin: Client, configuration: Path) -> None:
    two_zones(admin)
    with scheduler(master, configuration=configuration):
        admin.create(web("p"))
        until(lambda: node_of(admin, "p") == "a")


def test_all_services_of_a_pod_and_its_controller_select_together() -> None:
    def service(**selector: str) -> Service:
        return convert({"metadata": {"name": "s"}, "spec": {"selector": selector}}, Service)

    found = of_services([service(a="1"), service(b="2"), service(a="other"), service()], {"a": "1", "b": "2", "c": "3"})
    assert found == {"a": "1", "b": "2"}
    more = Term("c", "exists")
    assert merged(found, (more, *from_map({"a": "1"}).terms)) == Selector((*from_map(found).terms, more))
    assert not merged({}, ())


def test_a_new_version_is_spread_by_itself_where_a_label_says_so() -> None:
    wanted = convert({**ZONES, "matchLabelKeys": ["v"]}, TopologySpreadConstraint)
    (spread,) = terms_by_default(NO_TERMS, [wanted], "default", {"v": "2"}, from_map(WEB)).spread
    assert spread.pattern.matches("default", {**WEB, "v": "2"}, {})
    assert not spread.pattern.matches("default", {**WEB, "v": "1"}, {})
