"""The invariants of the simulation: a settled picture passes, and each thing that is broken in it is said."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.apps import Deployment, ReplicaSet
from api.codec import convert
from api.core import Endpoints, Namespace, Node, Pod, ReplicationController, Service
from api.core.quota import ResourceQuota
from api.discovery import EndpointSlice
from tests.simulation import invariants
from tests.simulation.invariants import Found
from tests.simulation.world import World

WEB = {"app": "web"}
KEY = ("default", "web")


def _meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "default", "uid": f"uid-{name}", **more}


def _owned(name: str, kind: str, owner: str, **more: Any) -> dict[str, Any]:
    reference = {"apiVersion": "v1", "kind": kind, "name": owner, "uid": f"uid-{owner}"}
    return _meta(name, ownerReferences=[reference], **more)


def _pod(name: str, ip: str) -> Pod:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}}
    document = {
        "metadata": _owned(name, "ReplicationController", "web", labels=WEB),
        "spec": {"nodeName": "n1", "containers": [container]},
        "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return convert(document, Pod)


def _service(name: str, address: str, port: int) -> Service:
    spec = {"type": "LoadBalancer", "clusterIP": address, "ports": [{"port": 80, "nodePort": port}]}
    status = {"loadBalancer": {"ingress": [{"ip": f"192.0.2.{port % 100}"}]}}
    selector = {"selector": WEB} if name == "web" else {}
    return convert({"metadata": _meta(name), "spec": {**spec, **selector}, "status": status}, Service)


def _picture() -> tuple[World, Found]:
    """One node with the two pods of one controller, a service, a deployment of none, and a quota."""
    found: Any = object.__new__(Found)
    found.pods = [_pod("p1", "10.0.0.1"), _pod("p2", "10.0.0.2")]
    node = {"metadata": {"name": "n1", "uid": "uid-n1"}, "spec": {"podCIDR": "10.0.0.0/24"}}
    found.nodes = [convert(node, Node)]
    status = {"replicas": 2, "readyReplicas": 2, "observedGeneration": 1}
    found.controllers = [convert({"metadata": _meta("web", generation=1), "status": status}, ReplicationController)]
    found.deployments = [convert({"metadata": _meta("none")}, Deployment)]
    found.sets = [convert({"metadata": _owned("set", "Deployment", "none")}, ReplicaSet)]
    found.services = [_service("web", "10.96.0.2", 30001), _service("other", "10.96.0.3", 30002)]
    addresses = [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]
    found.endpoints = [convert({"metadata": _meta("web"), "subsets": [{"addresses": addresses}]}, Endpoints)]
    ends = [{"addresses": [one["ip"]], "conditions": {"ready": True}} for one in addresses]
    labels = {"kubernetes.io/service-name": "web"}
    sliced = {"metadata": _owned("web-1", "Service", "web", labels=labels), "addressType": "IPv4", "endpoints": ends}
    found.slices = [convert(sliced, EndpointSlice)]
    found.namespaces = [convert({"metadata": {"name": name}}, Namespace) for name in ("default", "kube-system")]
    used = {"pods": "2", "services": "2", "requests.cpu": "200m"}
    found.quotas = [convert({"metadata": _meta("q"), "status": {"used": used}}, ResourceQuota)]
    hollow = SimpleNamespace(runs=["uid-p1", "uid-p2"])
    hollow.running = lambda: hollow.runs
    world = SimpleNamespace(
        controllers={KEY: 2},
        deployments={("default", "none"): 0},
        nodes={"n1": hollow},
        services={KEY},
        namespaces={"default"},
        quotas={"default": 2},
        moved=[],
        processes=SimpleNamespace(ended=list, log=lambda name: f"log of {name}"),
    )
    return cast(World, world), found


def _said(world: World, found: Found) -> list[str]:
    checks = (
        invariants.counts,
        invariants.places,
        invariants.addresses,
        invariants.orphans,
        invariants.endpoints,
        invariants.quotas,
        invariants.rest,
    )
    return [said for check in checks for said in check(world, found)]


def test_a_settled_picture_passes() -> None:
    assert _said(*_picture()) == []


def _second_node(picture: Any) -> None:
    node = convert({"metadata": {"name": "n2"}, "spec": {"podCIDR": "10.0.0.0/24"}}, Node)
    picture.found.nodes.append(node)
    picture.world.nodes["n2"] = SimpleNamespace(running=lambda: ["uid-p1"])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda p: p.world.controllers.update({KEY: 3}), "rc ('default', 'web'): wanted 3, has"),
        (lambda p: p.found.pods.pop(), "rc ('default', 'web'): wanted 2, has"),
        (lambda p: setattr(p.found.pods[0].status, "conditions", []), "rc ('default', 'web'): wanted 2, has"),
        (lambda p: setattr(p.found.controllers[0].status, "replicas", 1), "its status says 1, 2"),
        (lambda p: setattr(p.found.controllers[0].metadata, "generation", 2), "generation 1 of 2 observed"),
        (lambda p: p.found.controllers.clear(), "rc ('default', 'web') is there or not against the wish"),
        (lambda p: p.world.deployments.clear(), "deployment ('default', 'none') is there or not against the wish"),
        (_second_node, "pod uid-p1 runs on 2 nodes"),
        (_second_node, "pod range 10.0.0.0/24 was given 2 times"),
        (lambda p: p.world.nodes["n1"].runs.append("uid-x"), "node n1 runs uid-x, which is no pod"),
        (lambda p: setattr(p.found.pods[0].spec, "node_name", "n9"), "node n1 runs p1 of node n9"),
        (
            lambda p: setattr(p.found.pods[0].metadata, "deletion_timestamp", "now"),
            "'p1') is on its way out",
        ),
        (lambda p: p.found.nodes.clear(), "node n1 is there"),
        (lambda p: setattr(p.found.nodes[0].spec, "taints", ["lost"]), "node n1 has taints"),
        (lambda p: p.found.pods.extend(p.found.pods * 30), "node n1 has 62 pods"),
        (lambda p: setattr(p.found.pods[0].status, "pod_ip", "10.0.0.2"), "pod address 10.0.0.2 was given 2 times"),
        (
            lambda p: setattr(p.found.services[1].spec, "cluster_ip", "10.96.0.2"),
            "cluster address 10.96.0.2 was",
        ),
        (lambda p: setattr(p.found.services[1].spec.ports[0], "node_port", 30001), "node port 30001 was given 2 times"),
        (
            lambda p: setattr(p.found.services[1].status.load_balancer.ingress[0], "ip", "192.0.2.1"),
            "balancer address 192.0.2.1 was given 2 times",
        ),
        (lambda p: setattr(p.found.services[1].spec.ports[0], "node_port", 0), "lacks an address or port"),
        (lambda p: p.found.services[1].status.load_balancer.ingress.clear(), "lacks an address or port"),
        (lambda p: setattr(p.found.pods[0].metadata.owner_references[0], "uid", "x"), "which is gone"),
        (lambda p: p.found.pods[0].metadata.owner_references.clear(), "Pod ('default', 'p1') has no owner"),
        (lambda p: p.found.sets[0].metadata.owner_references.clear(), "ReplicaSet ('default', 'set') has no owner"),
        (lambda p: p.world.namespaces.add("wanted"), "namespace wanted is there or not against the wish"),
        (lambda p: setattr(p.found.slices[0].metadata, "namespace", "away"), "is in a namespace that is gone"),
        (lambda p: p.world.services.clear(), "service ('default', 'web') is there or not against the wish"),
        (
            lambda p: setattr(p.found.endpoints[0].metadata, "name", "lone"),
            "endpoints ('default', 'lone') without a service",
        ),
        (lambda p: p.found.endpoints[0].subsets[0].addresses.pop(), "endpoints ('default', 'web') are ['10.0.0.1']"),
        (lambda p: p.found.slices[0].endpoints.pop(), "slices of ('default', 'web') are ['10.0.0.1']"),
        (
            lambda p: setattr(p.found.slices[0].endpoints[0].conditions, "ready", False),
            "slices of ('default', 'web') are ['10.0.0.2']",
        ),
        (lambda p: p.found.quotas[0].status.used.pop("pods"), "quota of default says"),
        (lambda p: p.found.services.pop(), "quota of default says"),
        (lambda p: p.world.quotas.update(default=1), "quota of default allows 1 pods, there are 2"),
        (lambda p: p.world.moved.append("p1 moved from n1 to n2"), "p1 moved from n1 to n2"),
        (lambda p: setattr(p.world.processes, "ended", lambda: ["scheduler"]), "scheduler ended by itself:\nlog of"),
    ],
)
def test_what_is_broken_is_said(broken: Callable[[Any], object], said: str) -> None:
    world, found = _picture()
    broken(SimpleNamespace(world=world, found=found))
    assert any(said in one for one in _said(world, found)), _said(world, found)


def test_writes_but_heartbeats_are_counted() -> None:
    metrics = iter(
        (
            b'apiserver_request_total{verb="PATCH",resource="pods",subresource="status",code="200"} 4\n'
            b'apiserver_request_total{verb="PUT",resource="leases",code="200"} 7\n'
            b'apiserver_request_total{verb="LIST",resource="pods",code="200"} 9\n',
            b'apiserver_request_total{verb="PATCH",resource="pods",subresource="status",code="200"} 5\n'
            b'apiserver_request_total{verb="PUT",resource="leases",code="200"} 8\n'
            b'apiserver_request_total{verb="LIST",resource="pods",code="200"} 10\n',
        )
    )
    transport = SimpleNamespace(request=lambda *_, **__: next(metrics))
    world = cast(World, SimpleNamespace(admin=SimpleNamespace(transport=transport)))
    assert invariants.written(world, 0.0) == {"PATCH pods/status 200": 1}
