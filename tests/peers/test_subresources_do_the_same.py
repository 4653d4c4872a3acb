"""Scales, bindings, evictions, statuses and finalizers: the same requests do the same at both API servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.e2e.doors import Api
from tests.peers.alike import causes, differences, documents, removed, taking_pods, within
from tests.peers.watching import MERGE

pytestmark = pytest.mark.peer

SPEC = {"containers": [{"name": "c", "image": "x"}]}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
Step = tuple[str, str, Any]
"""A method, with the name of headers behind it, what is added to a path, and a body."""
HEADERS = {"": {}, "merge": MERGE, "json": JSON_PATCH, "strategic": STRATEGIC, "partial": PARTIAL}


def own(more: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": "it", "namespace": "sub"} | (more or {})}


SCALES: list[Step] = [
    ("GET", "/scale", None),
    ("GET partial", "/scale", None),
    ("PATCH merge", "/scale", {"spec": {"replicas": 2}}),
    ("PATCH merge", "/scale", {"spec": {"replicas": -2}}),
    ("PATCH merge", "/scale", {"metadata": {"name": "other"}}),
    ("PATCH merge", "/scale", {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}),
    ("PATCH json", "/scale", [{"op": "replace", "path": "/spec/replicas", "value": 3}]),
    ("PATCH strategic", "/scale", {"spec": {"replicas": 4}}),
    ("PATCH merge", "/scale?dryRun=All", {"spec": {"replicas": 9}}),
    ("PUT", "/scale", own() | {"spec": {"replicas": 5}}),
    ("PUT", "/scale", own({"uid": "x"}) | {"spec": {"replicas": 5}}),
    ("PUT", "/scale", own({"name": "other"}) | {"spec": {"replicas": 5}}),
    ("PUT", "/scale", own({"resourceVersion": "1"}) | {"spec": {"replicas": 5}}),
    ("PUT", "/scale", own() | {"spec": {"replicas": -1}}),
    ("PUT", "/scale", own() | {"spec": {}}),
    ("PUT", "/scale", own() | {"kind": "Foo", "apiVersion": "autoscaling/v1"}),
    ("GET", "/scale", None),
    ("DELETE", "/scale", None),
    ("POST", "/scale", {}),
    ("GET", "", None),
]
BOUND = {"target": {"kind": "Node", "name": "n1"}}
BINDINGS: list[Step] = [
    ("POST", "/binding?dryRun=All", own() | BOUND),
    ("POST", "/binding", own({"name": "other"}) | BOUND),
    ("GET", "/binding", None),
    ("GET", "", None),
    ("POST", "/binding", own({"annotations": {"a": "b"}, "labels": {"l": "m"}}) | BOUND),
    ("GET", "", None),
    ("POST", "/binding", own() | BOUND),
    ("DELETE", "?gracePeriodSeconds=5", None),
    ("POST", "/binding", own() | BOUND),
    ("DELETE", "?gracePeriodSeconds=50", None),
]
EVICTION = {"kind": "Eviction", "apiVersion": "policy/v1beta1"}
EVICTIONS: list[Step] = [
    ("POST", "/eviction", EVICTION | own() | {"deleteOptions": {"preconditions": {"uid": "x"}}}),
    ("POST", "/eviction", EVICTION | own() | {"deleteOptions": {"propagationPolicy": "Foo"}}),
    ("POST", "/eviction", EVICTION | own() | {"deleteOptions": {"dryRun": ["x"]}}),
    ("POST", "/eviction?dryRun=x", EVICTION | own()),
    ("POST", "/eviction?dryRun=All", EVICTION | own()),
    ("POST", "/eviction", EVICTION | own() | {"deleteOptions": {"dryRun": ["All"]}}),
    ("POST", "/eviction", {"kind": "Foo", "apiVersion": "v1"} | own()),
    ("GET", "/eviction", None),
    ("POST", "/binding", own() | BOUND),
    ("POST", "/eviction", EVICTION | own() | {"deleteOptions": {"gracePeriodSeconds": 7}}),
    ("GET", "", None),
    ("POST", "/eviction", EVICTION | own() | {"deleteOptions": {"gracePeriodSeconds": 3}}),
    ("GET", "", None),
    ("PATCH merge", "", {"metadata": {"labels": {"x": "1"}}}),
    ("PATCH merge", "", {"metadata": {"finalizers": ["a.b/c"]}}),
    ("DELETE", "?gracePeriodSeconds=50", None),
]
FINALIZERS: list[Step] = [
    ("GET", "", None),
    *((method, "/finalize", {}) for method in ("POST", "DELETE", "PATCH merge")),
    ("PUT", "/finalize", {"metadata": {"name": "other"}}),
    ("PUT", "/finalize", {"metadata": {"name": "it", "uid": "x"}}),
    ("PUT", "/finalize", {"metadata": {"name": "it", "resourceVersion": "1"}}),
    ("PUT", "/finalize", {"metadata": {"name": "it"}, "spec": {"finalizers": ["foo"]}}),
    ("PUT", "/finalize", {"metadata": {"name": "it", "labels": {"a": "b"}}, "spec": {"finalizers": ["a.b/c"]}}),
    ("PUT", "/finalize?dryRun=All", {"metadata": {"name": "it"}, "spec": {"finalizers": []}}),
    ("PUT", "", {"metadata": {"name": "it"}, "spec": {"finalizers": []}}),
    ("GET", "", None),
    ("PATCH merge", "/status", {"status": {"phase": "Terminating"}}),
    ("PUT", "/finalize", {"metadata": {"name": "it"}, "spec": {"finalizers": []}}),
    ("DELETE", "", None),
    ("GET", "", None),
    ("PATCH merge", "/status", {"status": {"phase": "Active"}}),
    ("PATCH merge", "", {"metadata": {"finalizers": ["a.b/c"]}}),
    ("DELETE", "", None),
    ("GET", "", None),
]
STATUSES: list[dict[str, Any]] = [
    {"replicas": -1},
    {"replicas": 1, "readyReplicas": 2, "fullyLabeledReplicas": 3, "updatedReplicas": 7, "currentReplicas": 9},
    {"observedGeneration": -5},
    {"phase": "Foo"},
    {"capacity": {"cpu": "-1"}},
    {"conditions": [{"type": "X", "status": "Y"}]},
    {"loadBalancer": {"ingress": [{"ip": "x"}, {"hostname": "-x"}]}},
    {"numberReady": -1},
    {"collisionCount": -1},
    {"addresses": [{"type": "InternalIP", "address": "a"}, {"type": "InternalIP", "address": "a"}]},
    {"podIPs": [{"ip": "x"}]},
    {"podIP": "300.1.1.1"},
    {"nominatedNodeName": "-x"},
]
METADATA = {
    "labels": {"l": "m"},
    "annotations": {"an": "b"},
    "finalizers": ["q.r/s"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}],
}
# Words of Kubernetes after 1.20, and what each server gives out in its own way; `test_objects_are_kept_alike.py` tells.
_OTHER = (
    *("DisruptionTarget", "kubernetes.io/metadata.name", "ipFamil", "internalTrafficPolicy", "clusterIP", "nodePort"),
    *("deprecated.daemonset", "seccomp", "availableReplicas", "allocateLoadBalancerNodePorts", "healthCheckNodePort"),
    *(
        "nodeInfo",
        "daemonEndpoints",
        "taints[1]",
        "maxSurge",
        "volumeClaimTemplates[0].status",
        ".status.conditions[1]",
    ),
)
# In both a conflict; the one tells the place in etcd too.
_PLACES = "Precondition failed: UID in precondition"


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    for api in (our_api, their_api):
        taking_pods(api)
        place = within(api, "sub")
        api.call("POST", f"{place}/serviceaccounts", json={"metadata": {"name": "default"}})
    return our_api, their_api


def done(api: Api, path: str, step: Step) -> requests.Response:
    method, form = (*step[0].split(), "")[:2]
    data = None if step[2] is None else json.dumps(step[2])
    headers = {"Content-Type": "application/json"} | HEADERS[form]
    return api.call(method, path + step[1], data=data, headers=headers)


def same(both: tuple[Api, Api], path: str, steps: list[Step]) -> None:
    for step in steps:
        ours, theirs = (done(api, path, step) for api in both)
        where = f"{step}: {ours.text[:400]} | {theirs.text[:400]}"
        assert ours.status_code == theirs.status_code, where
        mine, other = ours.json(), theirs.json()
        if mine["kind"] == "Status":
            assert causes(ours) == causes(theirs), where
            assert _what(mine) == _what(other), where
        else:
            found = differences(mine, other)
            assert not {at: one for at, one in found.items() if not any(word in at for word in _OTHER)}, where


def _what(status: Any) -> tuple[Any, ...]:
    """What a Status speaks of, and in which words where these can be the same."""
    message = status.get("message", "")
    if _PLACES in message or "in scheme" in message or " here" in message or "in record (" in message:
        message = ""
    details = {key: one for key, one in status.get("details", {}).items() if key not in ("causes", "uid")}
    return status["status"], status.get("reason"), details, message


@pytest.mark.parametrize("name", ["replication controller", "replica set", "deployment", "stateful set"])
def test_scales(both: tuple[Api, Api], name: str) -> None:
    path, body = documents()[name]
    place = path.replace("/default/", "/sub/")
    body = body | {"metadata": body["metadata"] | {"name": "it"}}
    body["metadata"].pop("namespace", None)
    for api in both:
        assert api.call("POST", place, json=body).status_code == 201
    same(both, f"{place}/it", SCALES)
    same(
        both,
        f"{place}/none",
        [SCALES[0], ("PUT", "/scale", own({"name": "none"}) | {"spec": {"replicas": 5}}), SCALES[2]],
    )
    for api in both:
        removed(api, f"{place}/it")


@pytest.mark.parametrize("steps", [BINDINGS, EVICTIONS], ids=["bindings", "evictions"])
def test_pods_come_and_go(both: tuple[Api, Api], steps: list[Step]) -> None:
    place = "/api/v1/namespaces/sub/pods"
    for api in both:
        assert api.call("POST", place, json={"metadata": {"name": "it"}, "spec": SPEC}).status_code == 201
    same(both, f"{place}/it", steps)
    same(both, f"{place}/none", [("POST", "/binding", own({"name": "none"}) | BOUND)])
    same(both, f"{place}/none", [("POST", "/eviction", EVICTION | own({"name": "none"}))])
    for api in both:
        removed(api, f"{place}/it")


def test_namespaces_are_finalized(both: tuple[Api, Api]) -> None:
    for api in both:
        made = api.call(
            "POST", "/api/v1/namespaces", json={"metadata": {"name": "it"}, "spec": {"finalizers": ["x.y/z"]}}
        )
        assert made.status_code == 201
    same(both, "/api/v1/namespaces/it", FINALIZERS)


def _with_status() -> list[str]:
    kinds = ("pod", "replication controller", "service", "node", "namespace", "volume", "claim", "deployment")
    return [*kinds, "replica set", "stateful set", "daemon set"]


@pytest.mark.parametrize("name", _with_status())
def test_statuses(both: tuple[Api, Api], name: str) -> None:
    path, body = documents()[name]
    place = f"{path}/{body['metadata']['name']}"
    for api in both:
        assert api.call("POST", path, json=body).status_code == 201
    dry: list[Step] = [("PATCH merge", "/status?dryRun=All", {"status": status}) for status in STATUSES]
    for step in dry:
        ours, theirs = (done(api, place, step) for api in both)
        assert ours.status_code == theirs.status_code, (step, ours.text[:300], theirs.text[:300])
        if "patch" not in str(causes(theirs)) and name != "stateful set":
            # Of a stateful set newer versions count those that are available, too.
            assert causes(ours) == causes(theirs), step
    same(both, place, [("GET", "/status", None), ("PATCH merge", "/status", {"metadata": METADATA}), ("GET", "", None)])
    same(both, place, [("POST", "/status", {}), ("DELETE", "/status", None)])
    for api in both:
        removed(api, place)
