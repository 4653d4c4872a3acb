"""The same objects to both API servers: what is filled in, shown, changed and deleted is the same.

What a newer Kubernetes than 1.20 does, and ours with it, stands in the lists.
"""

from __future__ import annotations

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
            r"seccomp\.security\.alpha|deprecated\.daemonset",
            # Encoded though empty.
            r"\.status\.(nodeInfo|daemonEndpoints)\.|\.eventTime$|\.reporting(Component|Instance)$|\.deprecated",
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
