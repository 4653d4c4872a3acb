"""The same wrong requests to both API servers: the same status, reason, message and causes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests

from tests.e2e.doors import Api

pytestmark = pytest.mark.peer

# What each has of its own: UIDs, versions, and where in the source a kind is registered.
_OWN = re.compile(r"[0-9a-f]{8}-[-0-9a-f]{27}|in record \(\d+\)|(in scheme .*|here)$")
SPEC = {"containers": [{"name": "c", "image": "x"}]}
PODS = "/api/v1/namespaces/default/pods"
POD = f"{PODS}/here"
LISTS = [
    *("timeoutSeconds=x", "timeoutSeconds=", "limit=x", "limit=1.5", "limit=-1", "limit=99999999999999999999"),
    *("resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch=NotOlderThan", "watch=false", "watch=0"),
    "resourceVersion=1&resourceVersionMatch=NotOlderThan&continue=abc",
    *(
        f"labelSelector={text}"
        for text in ("a%3D%3D%3Db", "a%20in%20(", "-a", "a%3Ex", "a%20in%20()", "a,b,", ",", "!")
    ),
    *(f"labelSelector={text}" for text in ("a%20foo%20b", "a%3D-b", "a%20in%20b", "!a%3Db", "a%20in%20(b%20c)", "%3D")),
    *(f"labelSelector={text}" for text in ("a%20in%20(%3D)", "a%20in%20(b%3D)", "a%3D(", "a%20in", "a%3E", "a%20!b")),
    *(f"fieldSelector={text}" for text in ("foo%3Dbar", "metadata.name", "metadata.name%3Da%3Db", "a%5C", ",")),
    *(f"fieldSelector=metadata.name%3D{text}" for text in ("a%5Cb", "a%5C", "a%5C%5C", "a%5C%2Cb")),
]
LOGS = [
    *("tailLines=x", "tailLines=-1", "limitBytes=0", "sinceSeconds=0", "container=foo"),
    "sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z",
]
WRITES = ["dryRun=x", "dryRun=", "dryRun=All&dryRun=y", "fieldManager=a%01b"]
DELETIONS = ["gracePeriodSeconds=x", "propagationPolicy=Foo", "propagationPolicy=Orphan&orphanDependents=true"]
OPTIONS: list[Any] = [
    {"propagationPolicy": "Foo"},
    {"preconditions": {"uid": "x"}},
    {"preconditions": {"resourceVersion": "1"}},
    {"dryRun": ["x"]},
    {"orphanDependents": True, "propagationPolicy": "Orphan"},
]
NAMES: list[Any] = [
    {},
    {"name": "A_b"},
    {"name": "x" * 254},
    {"name": "x", "labels": {"-": "b"}},
    {"name": "x", "annotations": {"A b": "b"}},
    {"name": "x", "finalizers": ["foo"]},
    {"name": "x", "namespace": "other"},
]
_FILE = [{"key": "k", "path": "x"}]
_NAMED = [{"path": "x", "fieldRef": {"fieldPath": "metadata.name"}}]
_TOKEN = {"serviceAccountToken": {"path": "x"}}
PROJECTED: list[list[Any]] = [
    [{"configMap": {"name": "a", "items": _FILE * 2}}],
    [{"configMap": {"name": "a", "items": _FILE}}, {"secret": {"name": "s", "items": _FILE}}],
    [{"secret": {"name": "s", "items": _FILE}}, {"downwardAPI": {"items": _NAMED}}],
    [_TOKEN, _TOKEN],
    [{"configMap": {"name": "a"}, "secret": {"name": "s"}}],
]
VOLUMES: list[Any] = [
    *({"projected": {"sources": sources}} for sources in PROJECTED),
    *({"awsElasticBlockStore": {"volumeID": "x", "partition": number}} for number in (-1, 0, 256)),
]
_PAGES = {"hugepages-2Mi": "4Mi"}
AMOUNTS: list[Any] = [{"limits": _PAGES}, {"requests": _PAGES | {"cpu": "1"}}]
EVICTIONS: list[Any] = [{}, {"metadata": {"name": "z"}}]
MERGE: list[Any] = [
    {"metadata": {"name": "z"}},
    {"metadata": {"namespace": "z"}},
    {"metadata": {"resourceVersion": "1"}},
]
WRONG_STEPS: list[Any] = [
    {"op": "foo", "path": "/x"},
    {"op": "add", "path": "x", "value": 1},
    {"op": "test", "path": "/kind", "value": "X"},
    {"op": "remove", "path": "/metadata/labels/x"},
]
CASES: list[tuple[str, str, Any]] = [
    *(("GET", f"{PODS}?{query}", None) for query in LISTS),
    *(("GET", f"{POD}/log?{query}", None) for query in LOGS),
    *(("POST", f"{PODS}?{query}", {"metadata": {"name": "new"}, "spec": SPEC}) for query in WRITES),
    *(("DELETE", f"{POD}?{query}", None) for query in (*DELETIONS, *WRITES[:3])),
    *(("DELETE", POD, options) for options in OPTIONS),
    *(("POST", PODS, {"metadata": metadata, "spec": SPEC}) for metadata in NAMES),
    *(
        (
            "POST",
            f"{PODS}?dryRun=All",
            {"metadata": {"name": "x"}, "spec": SPEC | {"volumes": [{"name": "v"} | volume]}},
        )
        for volume in VOLUMES
    ),
    *(
        (
            "POST",
            f"{PODS}?dryRun=All",
            {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "x", "resources": amounts}]}},
        )
        for amounts in AMOUNTS
    ),
    *(("POST", PODS, body) for body in ({"kind": "Pod", "apiVersion": "v2"}, {"kind": "Foo"})),
    *(("GET", f"{POD}/{rest}", None) for rest in ("attach", "portforward", "proxy/", "foo", "binding", "eviction")),
    *(("GET", path, None) for path in ("/api/v1/foo", "/apis/apps/v1/foo", "/api/v1/namespaces/default/nodes")),
    *(("POST", f"{POD}/eviction", {"kind": "Eviction", "apiVersion": "policy/v1beta1"} | more) for more in EVICTIONS),
    ("POST", f"{POD}/binding", {"metadata": {"name": "z"}, "target": {"kind": "Node", "name": "n"}}),
    *((method, PODS, None) for method in ("PUT", "PATCH", "OPTIONS")),
]


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    """Each with one pod that no node has."""
    for api in (our_api, their_api):
        api.call("POST", "/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": "default"}})
        made = api.call("POST", PODS, json={"metadata": {"name": "here"}, "spec": SPEC})
        assert made.status_code == 201, made.text
    return our_api, their_api


def told(api: Api, method: str, path: str, body: Any) -> tuple[Any, ...]:
    answer = api.call(method, path, json=body)
    said = answer.json()
    if said["kind"] != "Status":
        return (answer.status_code, said["kind"])
    causes = [(one.get("field"), one.get("reason")) for one in said.get("details", {}).get("causes", [])]
    message = re.sub(
        r"[0-9a-f]{8}-[-0-9a-f]{27}|in record \(\d+\)|(in scheme .*|here)$", "OWN", said.get("message", "")
    )
    return (answer.status_code, said.get("reason"), message, causes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1][-40:]} {str(case[2] or '')[:40]}")
def test_both_say_the_same(both: tuple[Api, Api], case: tuple[str, str, Any]) -> None:
    ours, theirs = (told(api, *case) for api in both)
    assert ours == theirs


@pytest.mark.parametrize("patch", MERGE, ids=str)
def test_both_refuse_the_same_merge_patch(both: tuple[Api, Api], patch: Any) -> None:
    ours, theirs = (_patched(api, patch, "merge-patch") for api in both)
    assert (ours.status_code, ours.json()["message"]) == (theirs.status_code, theirs.json()["message"])


@pytest.mark.parametrize("step", WRONG_STEPS, ids=str)
def test_both_call_the_same_json_patch_invalid(both: tuple[Api, Api], step: Any) -> None:
    """Kubernetes does not say why, so only what kind of refusal it is can be the same."""
    ours, theirs = (_patched(api, [step], "json-patch") for api in both)
    assert ours.status_code == theirs.status_code == 422


def test_both_keep_the_kind_of_what_is_patched(both: tuple[Api, Api]) -> None:
    for patch in ({"kind": "Foo"}, {"apiVersion": "v9"}):
        assert [_patched(api, patch, "merge-patch").status_code for api in both] == [422, 422]


def _patched(api: Api, patch: Any, form: str) -> requests.Response:
    headers = {"Content-Type": f"application/{form}+json"}
    return api.call("PATCH", POD, data=json.dumps(patch), headers=headers)
