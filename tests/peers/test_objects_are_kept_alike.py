"""The same objects to both API servers: what is filled in, shown, changed and deleted is the same.

What a newer Kubernetes than 1.20 does, and ours with it, stands in the lists.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.doors import Api
from tests.peers.alike import NAMESPACE, common, differences, documents, removed, taking_pods

pytestmark = pytest.mark.peer

DOCUMENTS = documents()
_NEWER = re.compile(
    "|".join(
        (
            # Given out by each server in its own way.
            r"\.clusterIPs?(\[0\])?$|\.nodePort$|\.healthCheckNodePort$",
            # 1.21 to 1.32: dual stack, traffic policies, the label of namespaces, fields that are always there.
            r"\.spec\.(internalTrafficPolicy|ipFamil.*|allocateLoadBalancerNodePorts)",
            r"kubernetes\.io/metadata\.name|\.status\.availableReplicas$|\.maxSurge$",
            r"\.spec\.(requiresRepublish|storageCapacity)$",
            # Until 1.27 a pod's seccomp profiles were annotations too; until 1.20 templates of claims had a status.
            r"seccomp\.security\.alpha",
            # Encoded though empty.
            r"\.eventTime$|\.deprecated",
            r"\.volumeClaimTemplates\[0\]\.status",
        )
    )
)
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
# Columns that 1.20 did not have, and words of its own.
_NEWER_COLUMNS = ("VolumeAttributesClass", "PreemptionPolicy", "StorageCapacity", "TokenRequests", "RequiresRepublish")
_NEWER_TYPES = {("pods", "Restarts")}
POLICIES = ("", "?propagationPolicy=Orphan", "?propagationPolicy=Foreground", "?propagationPolicy=Background")


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    return taking_pods(our_api), taking_pods(their_api)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "resource quota"])
def test_what_is_filled_in_is_the_same(both: tuple[Api, Api], name: str) -> None:
    path, body = DOCUMENTS[name]
    made = [api.call("POST", path, json=body) for api in both]
    read = [api.call("GET", f"{path}/{body['metadata']['name']}") for api in both]
    for api in both:
        removed(api, f"{path}/{body['metadata']['name']}")
    assert [answer.status_code for answer in (*made, *read)] == [201, 201, 200, 200], [one.text for one in made]
    for ours, theirs in (made, read):
        found = differences(ours.json(), theirs.json())
        assert not (left := {at: values for at, values in found.items() if not _NEWER.search(at)}), left


_GROUPS = {group: f"/apis/{group}.k8s.io/v1" for group in ("coordination", "scheduling", "storage")}
_RBAC, _APPS = "/apis/rbac.authorization.k8s.io/v1", "/apis/apps/v1/namespaces/default"
_POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
_SET = {"selector": {"matchLabels": {"a": "b"}}, "template": _POD}
_ROLE = {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}
_STORAGE = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}
_CLAIMS = {"serviceName": "x", "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": _STORAGE}]}
_BUDGETS = "/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets"
BARE: list[tuple[str, dict[str, Any]]] = [
    *((f"{NAMESPACE}/{plural}", {}) for plural in ("configmaps", "secrets", "serviceaccounts", "endpoints")),
    *((f"{NAMESPACE}/{plural}", {}) for plural in ("limitranges", "resourcequotas")),
    *((f"/api/v1/{plural}", {}) for plural in ("nodes", "namespaces")),
    (f"{NAMESPACE}/pods", _POD),
    (f"{NAMESPACE}/podtemplates", {"template": _POD}),
    (f"{NAMESPACE}/replicationcontrollers", {"spec": {"template": _POD}}),
    (f"{NAMESPACE}/services", {"spec": {"ports": [{"port": 1}]}}),
    (f"{NAMESPACE}/services", {"spec": {"type": "ExternalName", "externalName": "a.b"}}),
    (f"{NAMESPACE}/events", {"involvedObject": {"namespace": "default"}}),
    (f"{NAMESPACE}/persistentvolumeclaims", {"spec": _STORAGE}),
    (
        "/api/v1/persistentvolumes",
        {"spec": {"capacity": {"storage": "1"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}},
    ),
    *((f"{_APPS}/{plural}", {"spec": _SET}) for plural in ("replicasets", "deployments", "daemonsets")),
    (f"{_APPS}/statefulsets", {"spec": _SET | _CLAIMS}),
    *((f"{_RBAC}/{plural}", {}) for plural in ("clusterroles", "namespaces/default/roles")),
    *(
        (f"{_RBAC}/{plural}", {"roleRef": _ROLE})
        for plural in ("clusterrolebindings", "namespaces/default/rolebindings")
    ),
    (f"{_GROUPS['coordination']}/namespaces/default/leases", {}),
    (f"{_GROUPS['scheduling']}/priorityclasses", {}),
    (f"{_GROUPS['storage']}/storageclasses", {"provisioner": "a.b/c"}),
    (f"{_GROUPS['storage']}/csinodes", {"spec": {"drivers": []}}),
    (f"{_GROUPS['storage']}/csidrivers", {"spec": {}}),
    *((_BUDGETS, {"spec": spec}) for spec in ({}, {"minAvailable": 1})),
]
# Null there, and an empty list here: nobody need ask twice. What was null until 1.33 and is gone since is not told.
_NULL = re.compile(r"\.(rules|limits|drivers)$|\.spec$|\.source$")


@pytest.mark.parametrize(("path", "more"), BARE, ids=lambda value: str(value)[-50:])
def test_what_is_empty_is_told_the_same(both: tuple[Api, Api], path: str, more: dict[str, Any]) -> None:
    place, body = f"{path}/bare", more | {"metadata": {"name": "bare"}}
    changes = {"metadata": {"labels": {"x": "y"}}}
    merging = {"Content-Type": "application/merge-patch+json"}
    told = []
    for api in both:
        made = api.call("POST", path, json=body)
        patched = api.call("PATCH", place, data=json.dumps(changes), headers=merging)
        replaced = api.call("PUT", place, json=patched.json())
        removed(api, place)
        assert [one.status_code for one in (made, patched, replaced)] == [201, 200, 200], made.text
        told.append([made.json(), patched.json(), replaced.json()])
    for ours, theirs in zip(*told, strict=True):
        found = differences(ours, theirs)
        kept = {at: values for at, values in found.items() if not _NEWER.search(at)}
        assert not {at: values for at, values in kept.items() if not _NULL.search(at)}, kept


@pytest.mark.parametrize(
    "change", [{"template": {"metadata": {"labels": {"x": "y"}}}}, {"minReadySeconds": 9}], ids=str
)
def test_templates_of_a_daemon_set_are_counted_alike(both: tuple[Api, Api], change: dict[str, Any]) -> None:
    told = []
    for api in both:
        assert (
            api.call("POST", f"{_APPS}/daemonsets", json={"metadata": {"name": "d"}, "spec": _SET}).status_code == 201
        )
        merging = {"Content-Type": "application/merge-patch+json"}
        patched = api.call("PATCH", f"{_APPS}/daemonsets/d", data=json.dumps({"spec": change}), headers=merging)
        removed(api, f"{_APPS}/daemonsets/d")
        told.append((patched.json()["metadata"]["annotations"], patched.json()["metadata"]["generation"]))
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["config map", "replica set", "replication controller", "pod template", "claim"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "real"])
def test_a_deletion_is_answered_the_same(both: tuple[Api, Api], name: str, policy: str, dry: bool) -> None:
    path, body = DOCUMENTS[name]
    place = f"{path}/{body['metadata']['name']}"
    answers = []
    for api in both:
        assert api.call("POST", path, json=body).status_code == 201
        query = policy + ("&" if policy else "?") + "dryRun=All" if dry else policy
        answers.append(api.call("DELETE", place + query))
        again = api.call("POST", path, json=body)
        answers.append(again)
        removed(api, place)
    ours, our_again, theirs, their_again = (common(one.json()) for one in answers)
    assert not (found := differences(ours, theirs)), found
    assert our_again.get("message") == their_again.get("message")


@pytest.mark.parametrize("query", ["", "?gracePeriodSeconds=0", "?gracePeriodSeconds=5", "?dryRun=All"])
def test_a_pod_that_has_no_node_goes_alike(both: tuple[Api, Api], query: str) -> None:
    told = []
    for api in both:
        body = {"metadata": {"name": "waiting"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        assert api.call("POST", f"{NAMESPACE}/pods", json=body).status_code == 201
        said = api.call("DELETE", f"{NAMESPACE}/pods/waiting{query}").json()
        told.append(
            (
                said["kind"],
                "deletionTimestamp" in said["metadata"],
                said["metadata"].get("deletionGracePeriodSeconds"),
                api.call("GET", f"{NAMESPACE}/pods/waiting").status_code,
            )
        )
        removed(api, f"{NAMESPACE}/pods/waiting")
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["lease", "disruption budget", "csi node", "csi driver", "config map", "endpoints"])
def test_an_update_without_a_version_is_taken_or_refused_alike(both: tuple[Api, Api], name: str) -> None:
    path, body = DOCUMENTS[name]
    place = f"{path}/{body['metadata']['name']}"
    told = []
    for api in both:
        assert api.call("POST", path, json=body).status_code == 201
        answer = api.call("PUT", place, json=body)
        told.append((answer.status_code, answer.json().get("message")))
        removed(api, place)
    assert told[0] == told[1]


def _collections(api: Api) -> list[tuple[str, str]]:
    groups = [version["groupVersion"] for one in api.get("/apis")["groups"] for version in one["versions"]]
    roots = ["/api/v1", *(f"/apis/{group}" for group in groups)]
    listed = [(root, resource) for root in roots for resource in api.get(root)["resources"]]
    return [(root, one["name"]) for root, one in listed if "list" in one["verbs"] and "/" not in one["name"]]


def _columns(table: Any, plural: str) -> list[tuple[Any, ...]]:
    return [
        (one["name"], one["format"], one["priority"], (plural, one["name"]) in _NEWER_TYPES or one["type"])
        for one in table["columnDefinitions"]
        if one["name"] not in _NEWER_COLUMNS
    ]


def test_tables_have_the_same_columns(both: tuple[Api, Api]) -> None:
    compared = 0
    for root, plural in _collections(both[0]):
        answers = [api.call("GET", f"{root}/{plural}", headers=TABLE) for api in both]
        if answers[1].status_code != 200 or plural == "resourcequotas":
            continue
        ours, theirs = (_columns(answer.json(), plural) for answer in answers)
        assert ours == theirs, plural
        compared += 1
    assert compared > 25


def test_head_is_answered_for_the_same(both: tuple[Api, Api]) -> None:
    documents_ = ("/api", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/healthz", "/metrics", "/openapi/v2")
    for path in (NAMESPACE, f"{NAMESPACE}/pods", *documents_, "/openid/v1/jwks", "/nope"):
        assert len({api.call("HEAD", path).status_code for api in both}) == 1, path


def test_the_same_namespaces_stay(both: tuple[Api, Api]) -> None:
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        answers = [api.call("DELETE", f"/api/v1/namespaces/{name}?dryRun=All") for api in both]
        assert answers[0].status_code == answers[1].status_code, name
