"""Options that a client gets wrong are refused in Kubernetes' words, and those that mean something are taken."""

from typing import Any

import pytest
from tests_apiserver import Api, pod


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("timeoutSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("timeoutSeconds=", 400, 'strconv.ParseInt: parsing "": invalid syntax'),
        ("limit=1.5", 400, 'strconv.ParseInt: parsing "1.5": invalid syntax'),
        ("limit=9223372036854775808", 400, 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
        ("resourceVersion=x", 400, 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": '),
        ("continue=xx", 400, "invalid continue token: continue key is not valid"),
        (
            "resourceVersionMatch=Foo",
            422,
            'ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is '
            'forbidden unless resourceVersion is provided, resourceVersionMatch: Unsupported value: "Foo": supported ',
        ),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422, '"exact" is forbidden for resourceVersion "0"'),
        ("resourceVersion=1&resourceVersionMatch=NotOlderThan&continue=x", 422, "forbidden when continue is provided"),
        ("sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"),
        ("watch=yes&limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("watch=1&resourceVersionMatch=Exact", 422, 'Unsupported value: "Exact": supported values: "NotOlderThan"'),
        ("watch=1&sendInitialEvents=true", 422, "sendInitialEvents requires setting resourceVersionMatch to"),
    ],
)
def test_options_of_lists_are_refused_in_kubernetes_words(
    admin: Api, namespace: str, query: str, status: int, message: str
) -> None:
    refused = admin.get(f"/api/v1/namespaces/{namespace}/pods?{query}")
    assert refused.status == status, refused.data
    assert message in refused.json["message"]


def test_a_list_without_bound_is_asked_for_in_several_ways(admin: Api, namespace: str) -> None:
    for query in ("limit=-1", "limit=0", "timeoutSeconds=-1", "watch=false", "watch=0", "watch=FALSE"):
        assert admin.get(f"/api/v1/namespaces/{namespace}/pods?{query}").json["kind"] == "PodList"
    # As clients send it whose namespace is empty.
    everywhere = admin.get("/api/v1/namespaces//configmaps").json["items"]
    assert {one["metadata"]["namespace"] for one in everywhere} == {
        one["metadata"]["namespace"] for one in admin.get("/api/v1/configmaps").json["items"]
    }
    assert admin.get("/apis/apps/v1/namespaces//replicasets").json["kind"] == "ReplicaSetList"
    assert admin.get("/api/v1/namespaces//pods/x").status == 404


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dryRun=x", 'dryRun: Unsupported value: []string{"x"}: supported values: "All"'),
        ("dryRun=All&dryRun=y", 'dryRun: Unsupported value: []string{"All", "y"}: supported values: "All"'),
        ("fieldValidation=x", 'fieldValidation: Unsupported value: "x": supported values: "Ignore", "Strict", "Warn"'),
        ("fieldManager=" + "x" * 129, "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager=a%07", 'fieldManager: Invalid value: "a\\a": invalid character U+0007 (at position 1)'),
    ],
)
def test_options_of_every_write_are_judged(admin: Api, namespace: str, query: str, message: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = admin.post(path, {"metadata": {"name": "c"}}).json
    answers = {
        "CreateOptions": admin.post(f"{path}?{query}", {"metadata": {"name": "d"}}),
        "UpdateOptions": admin.put(f"{path}/c?{query}", made | {"data": {"a": "b"}}),
        "PatchOptions": admin.patch(f"{path}/c?{query}", {"data": {"a": "b"}}, "merge"),
    }
    if "dryRun" in query:
        answers["DeleteOptions"] = admin.delete(f"{path}/c?{query}")
    for options, answer in answers.items():
        assert answer.status == 422, answer.data
        assert answer.json["message"] == f'{options}.meta.k8s.io "" is invalid: {message}'
    assert admin.get(path).json["items"][-1] == made


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z", 422, "at most one of `sinceTime` or `sinceSeconds`"),
        ("sinceTime=foo", 400, 'parsing time "foo" as "2006-01-02T15:04:05Z07:00"'),
    ],
)
def test_options_of_logs_are_judged(admin: Api, namespace: str, query: str, status: int, message: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(pods, pod("web"))
    refused = admin.get(f"{pods}/web/log?{query}")
    assert (refused.status, message in refused.json["message"]) == (status, True), refused.data


def test_options_of_a_deletion_that_are_something_else_are_refused(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    admin.post(path, {"metadata": {"name": "c"}})
    refused = admin.call("DELETE", f"{path}/c", {"kind": "Foo", "apiVersion": "v1"})
    assert (refused.status, refused.json["message"]) == (400, 'no kind "Foo" is registered for version "v1" here')
    for version in ("v1", "meta.k8s.io/v1", "policy/v1"):
        options = {"kind": "DeleteOptions", "apiVersion": version, "dryRun": ["All"]}
        assert admin.call("DELETE", f"{path}/c", options).status == 200
    assert admin.get(f"{path}/c").status == 200


def test_a_collection_is_deleted_in_pieces(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in "abcd":
        admin.post(path, {"metadata": {"name": name, "labels": {"own": "x"}}})
    gone = admin.delete(f"{path}?limit=3&labelSelector=own")
    assert [one["metadata"]["name"] for one in gone.json["items"]] == ["a", "b", "c"]
    assert gone.json["metadata"]["continue"]
    assert [one["metadata"]["name"] for one in admin.get(f"{path}?labelSelector=own").json["items"]] == ["d"]
    stale = {"preconditions": {"resourceVersion": "1"}}
    assert admin.call("DELETE", f"{path}?labelSelector=own", stale).status == 409
    assert admin.call("DELETE", f"{path}?labelSelector=own", {"dryRun": ["All"]}).status == 200
    assert admin.get(f"{path}/d").status == 200


def test_less_than_no_grace_is_a_second(admin: Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(pods, pod("web", nodeName="n1"))
    going = admin.delete(f"{pods}/web?gracePeriodSeconds=-5")
    assert going.json["metadata"]["deletionGracePeriodSeconds"] == 1
    assert admin.delete(f"{pods}/web?gracePeriodSeconds=0").status == 200


def test_the_old_paths_of_watches_are_served(admin: Api, namespace: str) -> None:
    admin.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "c"}})
    for path in (f"namespaces/{namespace}/configmaps", f"namespaces/{namespace}/configmaps/c"):
        told = admin.get(f"/api/v1/watch/{path}?timeoutSeconds=1").data
        assert b'{"type":"ADDED"' in told
        assert b'"name":"c"' in told
    assert admin.get("/api/v1/watch").status == 404


@pytest.mark.parametrize(
    ("form", "patch"),
    [
        ("merge", {"kind": "Foo"}),
        ("merge", {"apiVersion": "v9"}),
        ("strategic-merge", {"kind": "Secret"}),
        ("json", [{"op": "replace", "path": "/kind", "value": "Foo"}]),
        ("json", [{"op": "swap", "path": "/data"}]),
        ("json", [{"op": "add", "path": "data", "value": {}}]),
    ],
)
def test_a_patch_makes_no_other_kind_and_does_only_what_there_is(
    admin: Api, namespace: str, form: str, patch: Any
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = admin.post(path, {"metadata": {"name": "c"}}).json
    refused = admin.patch(f"{path}/c", patch, form)
    assert (refused.status, refused.json["reason"]) == (422, "Invalid"), refused.data
    kept = admin.patch(f"{path}/c", {"kind": "ConfigMap", "apiVersion": "v1"}, "merge")
    assert kept.json == made


def test_a_subresource_says_of_which_object_it_is(admin: Api, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(pods, pod("web"))
    for name in ({}, {"name": "other"}):
        evicted = admin.post(f"{pods}/web/eviction", {"metadata": name})
        assert (evicted.status, evicted.json["message"]) == (400, "name in URL does not match name in Eviction object")
        bound = admin.post(f"{pods}/web/binding", {"metadata": name, "target": {"kind": "Node", "name": "n"}})
        assert (bound.status, bound.json["message"]) == (400, "name in URL does not match name in Binding object")
    spec = {"selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}}
    scale = f"/api/v1/namespaces/{namespace}/replicationcontrollers"
    assert admin.post(scale, {"metadata": {"name": "rc"}, "spec": spec}).status == 201
    nameless = admin.put(f"{scale}/rc/scale", {"spec": {"replicas": 3}})
    assert (nameless.status, "was undeterminable: name must be provided" in nameless.json["message"]) == (400, True)
    assert admin.put(f"{scale}/rc/scale", {"metadata": {"name": "rc"}, "spec": {"replicas": 3}}).status == 200
