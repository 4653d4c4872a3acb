"""``dryRun=All`` and ``fieldValidation`` on each verb and each subresource that takes a body."""

from typing import Any

import pytest
from tests_apiserver import Api, pod

NODE = {"kind": "Node", "name": "n1"}
SPEC = {"selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}}
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "configmaps", {"metadata": {"name": "new"}}, ""),
    ("PUT", "configmaps/c", {"metadata": {"name": "c"}, "data": {"a": "b"}}, ""),
    ("PATCH", "configmaps/c", {"data": {"a": "b"}}, "merge"),
    ("PATCH", "configmaps/c", {"data": {"a": "b"}}, "strategic-merge"),
    ("PUT", "pods/web/status", {"metadata": {"name": "web"}, "status": {"phase": "Running"}}, ""),
    ("PATCH", "pods/web/status", {"status": {"phase": "Running"}}, "strategic-merge"),
    ("PATCH", "pods/web/ephemeralcontainers",
     {"spec": {"ephemeralContainers": [{"name": "e", "image": "x"}]}}, "strategic-merge"),
    ("POST", "pods/web/binding", {"metadata": {"name": "web"}, "target": NODE}, ""),
    ("POST", "pods/web/eviction", {"metadata": {"name": "web"}}, ""),
    ("PUT", "replicationcontrollers/rc/scale", {"metadata": {"name": "rc"}, "spec": {"replicas": 5}}, ""),
    ("PATCH", "replicationcontrollers/rc/scale", {"spec": {"replicas": 5}}, "merge"),
    ("POST", "serviceaccounts/robot/token", {"spec": {}}, ""),
]  # fmt: skip


@pytest.fixture
def path(admin: Api, namespace: str) -> str:
    """The namespace with one of each."""
    core = f"/api/v1/namespaces/{namespace}"
    made = {
        "configmaps": {"metadata": {"name": "c"}},
        "pods": pod("web"),
        "replicationcontrollers": {"metadata": {"name": "rc"}, "spec": SPEC},
        "serviceaccounts": {"metadata": {"name": "robot"}},
    }
    for plural, body in made.items():
        answer = admin.post(f"{core}/{plural}", body)
        assert answer.status == 201, answer.data
    return core


def ask(admin: Api, case: tuple[str, str, dict[str, Any], str], path: str, query: str, **more: Any) -> Any:
    method, where, body, form = case
    if form:
        return admin.patch(f"{path}/{where}?{query}", body | more, form)
    return admin.call(method, f"{path}/{where}?{query}", body | more)


def state(admin: Api, path: str) -> list[Any]:
    return [admin.get(f"{path}/{plural}").json["items"] for plural in ("configmaps", "pods", "replicationcontrollers")]


def named(case: tuple[str, str, dict[str, Any], str]) -> str:
    return " ".join((case[0], case[1], case[3]))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_dry_run_answers_as_the_real_one_and_stores_nothing(admin: Api, path: str, case: Any) -> None:
    before = state(admin, path)
    tried = ask(admin, case, path, "dryRun=All")
    assert tried.status in (200, 201), tried.data
    assert state(admin, path) == before
    done = ask(admin, case, path, "")
    assert done.status == tried.status
    assert done.json["kind"] == tried.json["kind"]
    if not case[1].endswith("token"):
        assert state(admin, path) != before


@pytest.mark.parametrize("case", CASES, ids=named)
def test_unknown_fields_are_refused_warned_of_or_dropped(admin: Api, path: str, case: Any) -> None:
    before = state(admin, path)
    strict = ask(admin, case, path, "fieldValidation=Strict", extra=1)
    assert (strict.status, strict.json["reason"]) == (400, "BadRequest"), strict.data
    assert 'unknown field "extra"' in strict.json["message"]
    assert state(admin, path) == before
    warned = ask(admin, case, path, "fieldValidation=Warn&dryRun=All", extra=1)
    assert warned.status in (200, 201), warned.data
    assert 'unknown field \\"extra\\"' in warned.headers["Warning"]
    ignored = ask(admin, case, path, "fieldValidation=Ignore&dryRun=All", extra=1)
    assert ignored.status in (200, 201), ignored.data
    assert "Warning" not in ignored.headers
    assert "extra" not in ignored.json


def test_a_key_given_twice_is_told_where_it_is_asked_for(admin: Api, path: str) -> None:
    body = b'{"metadata":{"name":"new"},"data":{"a":"b","a":"c"}}'
    strict = admin.call("POST", f"{path}/configmaps?fieldValidation=Strict", body)
    assert (strict.status, strict.json["message"]) == (400, 'strict decoding error: duplicate field "data.a"')
    warned = admin.call("POST", f"{path}/configmaps?fieldValidation=Warn", body)
    assert (warned.status, 'duplicate field \\"data.a\\"' in warned.headers["Warning"]) == (201, True)


@pytest.mark.parametrize("policy", ["Orphan", "Background", "Foreground"])
def test_a_collection_goes_by_the_wanted_policy(admin: Api, path: str, policy: str) -> None:
    owner = admin.get(f"{path}/replicationcontrollers/rc").json
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": "rc", "uid": owner["metadata"]["uid"]}
    admin.patch(f"{path}/pods/web", {"metadata": {"ownerReferences": [reference]}}, "merge")
    tried = admin.call("DELETE", f"{path}/replicationcontrollers", {"propagationPolicy": policy, "dryRun": ["All"]})
    assert tried.status == 200
    assert admin.get(f"{path}/replicationcontrollers/rc").json == owner
    assert admin.delete(f"{path}/replicationcontrollers?propagationPolicy={policy}").status == 200
    left = admin.get(f"{path}/replicationcontrollers").json["items"]
    held = {"Orphan": ["orphan"], "Foreground": ["foregroundDeletion"]}.get(policy)
    assert [one["metadata"]["finalizers"] for one in left] == ([held] if held else [])
