"""Pods asked for in the same words: a short way to make them, which nobody can tell but by the time it takes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests_apiserver import Answer, Api, Running

from api.core import Pod

BODY = {
    "metadata": {"generateName": "web-", "labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "pause:1",
                "resources": {"requests": {"cpu": "100m"}},
                "ports": [{"containerPort": 80}],
            }
        ]
    },
}


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def thrice(api: Api, path: str, body: Any = BODY) -> list[Answer]:
    """The first is worked out, the second remembered, the third one made like it."""
    return [api.post(path, body) for _ in range(3)]


def without_identity(made: Any) -> Any:
    """What replicas have in common: not the random name of the volume with which they call the API, either."""
    text = json.dumps(made)
    for volume in made["spec"].get("volumes", []):
        text = text.replace(volume["name"], "volume")
    plain = json.loads(text)
    for own in ("name", "uid", "creationTimestamp", "resourceVersion"):
        del plain["metadata"][own]
    return plain


def test_replicas_differ_in_their_identity_alone(admin: Api, pods: str) -> None:
    made = [answer.json for answer in thrice(admin, pods) + thrice(admin, pods)]
    other_words = admin.post(pods, json.dumps(BODY, indent=1).encode(), Content_Type="application/json").json
    assert all(without_identity(one) == without_identity(other_words) for one in made)
    for own in ("name", "uid", "resourceVersion"):
        assert len({one["metadata"][own] for one in made}) == 6
    assert all(one["metadata"]["name"].startswith("web-") for one in made)
    stored = {one["metadata"]["name"]: one for one in admin.get(pods).json["items"]}
    for one in made:
        assert {"apiVersion": "v1", "kind": "Pod"} | stored[one["metadata"]["name"]] == one
        assert admin.get(f"{pods}/{one['metadata']['name']}").json == one


def test_the_short_way_is_taken(admin: Api, server: Running, pods: str) -> None:
    """Every step that completes pods says when it would do otherwise; else they would all go the long way."""
    backend = server.api._backend
    assert backend.admission.version(Pod) is not None
    before = set(backend.replicas._kept)
    thrice(admin, pods)
    assert len(set(backend.replicas._kept) - before) == 1


def test_what_changes_one_changes_no_other(admin: Api, pods: str) -> None:
    first, *_, last = (answer.json["metadata"]["name"] for answer in thrice(admin, pods))
    changed = admin.patch(f"{pods}/{last}", {"metadata": {"labels": {"app": "other"}}}, "merge")
    assert changed.json["metadata"]["labels"] == {"app": "other"}
    for name in (first, admin.post(pods, BODY).json["metadata"]["name"]):
        assert admin.get(f"{pods}/{name}").json["metadata"]["labels"] == {"app": "web"}


def test_what_completes_pods_completes_the_next_one(admin: Api, namespace: str, pods: str) -> None:
    def last() -> Any:
        return thrice(admin, pods)[-1].json["spec"]

    assert "limits" not in last()["containers"][0]["resources"]
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}}]}}
    path = f"/api/v1/namespaces/{namespace}"
    assert admin.post(f"{path}/limitranges", limits).status == 201
    assert admin.post(pods, BODY).json["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m"}
    assert last()["containers"][0]["resources"]["limits"] == {"cpu": "500m"}
    assert admin.delete(f"{path}/limitranges/l").status == 200
    assert "limits" not in admin.post(pods, BODY).json["spec"]["containers"][0]["resources"]

    account = {"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "s"}]}
    there = admin.get(f"{path}/serviceaccounts/default").status == 200
    made = (
        admin.patch(f"{path}/serviceaccounts/default", account)
        if there
        else admin.post(f"{path}/serviceaccounts", account)
    )
    assert made.status in (200, 201)
    assert admin.post(pods, BODY).json["spec"]["imagePullSecrets"] == [{"name": "s"}]
    assert last()["imagePullSecrets"] == [{"name": "s"}]

    klass = {"metadata": {"name": f"{namespace}-high"}, "value": 7, "globalDefault": True}
    assert admin.post("/apis/scheduling.k8s.io/v1/priorityclasses", klass).status == 201
    try:
        assert admin.post(pods, BODY).json["spec"]["priority"] == 7
    finally:
        admin.delete(f"/apis/scheduling.k8s.io/v1/priorityclasses/{namespace}-high")
    assert admin.post(pods, BODY).json["spec"]["priority"] == 0


def test_each_counts_against_the_quota(admin: Api, namespace: str, pods: str) -> None:
    names = [answer.json["metadata"]["name"] for answer in thrice(admin, pods)]
    hard = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "5", "requests.cpu": "1"}}}
    assert admin.post(f"/api/v1/namespaces/{namespace}/resourcequotas", hard).status == 201
    assert [admin.post(pods, BODY).status for _ in range(4)] == [201, 201, 403, 403]
    assert admin.delete(f"{pods}/{names[0]}").status == 200
    assert [admin.post(pods, BODY).status for _ in range(2)] == [201, 403]
    assert len(admin.get(pods).json["items"]) == 5


def test_none_is_made_in_a_namespace_that_ends(admin: Api, namespace: str, pods: str) -> None:
    thrice(admin, pods)
    assert admin.delete(f"/api/v1/namespaces/{namespace}").status == 200
    refused = admin.post(pods, BODY)
    assert (refused.status, refused.json["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")


def test_each_is_authorized_and_stays_in_its_namespace(
    admin: Api, server: Running, as_user: Callable[[Running, str], Api], pods: str
) -> None:
    thrice(admin, pods)
    assert as_user(server, "scheduler").post(pods, BODY).status == 403
    elsewhere = {**BODY, "metadata": {**BODY["metadata"], "namespace": "elsewhere"}}
    assert [answer.status for answer in thrice(admin, pods, elsewhere)] == [400] * 3
    made = thrice(admin, "/api/v1/namespaces/default/pods")[-1].json["metadata"]
    assert made["namespace"] == "default"
    admin.delete(f"/api/v1/namespaces/default/pods/{made['name']}")


def test_each_client_hears_the_warnings_and_refusals_of_its_own_words(admin: Api, pods: str) -> None:
    odd = {**BODY, "colour": "blue"}
    assert all("colour" in answer.headers["Warning"] for answer in thrice(admin, pods, odd))
    assert [answer.status for answer in thrice(admin, f"{pods}?fieldValidation=Strict", odd)] == [400] * 3
    assert [admin.post(f"{pods}?dryRun=All", BODY).status for _ in range(4)] == [201] * 4
    assert len(admin.get(pods).json["items"]) == 3
    wrong = {**BODY, "spec": {"containers": [{"name": "C_", "image": "x"}]}}
    assert [answer.status for answer in thrice(admin, pods, wrong)] == [422] * 3


def test_a_name_of_ones_own_is_taken_once(admin: Api, pods: str) -> None:
    named = {**BODY, "metadata": {**BODY["metadata"], "name": "mine"}}
    assert [answer.status for answer in thrice(admin, pods, named)] == [201, 409, 409]


def test_kubernetes_ways_to_ask_are_all_understood(admin: Api, pods: str) -> None:
    """The answer has the form that this client wants, whatever the earlier ones wanted."""
    thrice(admin, pods)
    table = admin.post(pods, BODY, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert (table.status, table.json["kind"]) == (201, "Table")
    yaml = admin.post(pods, BODY, Accept="application/yaml")
    assert yaml.data.startswith(b"apiVersion: v1\nkind: Pod\n")
