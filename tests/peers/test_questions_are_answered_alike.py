"""Tokens, reviews, health, discovery and forms of answers: both API servers say the same."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.e2e.doors import Api
from tests.peers.alike import causes, common, taking_pods

pytestmark = pytest.mark.peer

NAMESPACE = "/api/v1/namespaces/default"
TOKEN = f"{NAMESPACE}/serviceaccounts/default/token"
REVIEWS = "/apis/authorization.k8s.io/v1"
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
AUDIENCE = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    for api in (our_api, their_api):
        taking_pods(api)
        made = api.call("POST", f"{NAMESPACE}/pods", json={"metadata": {"name": "held"}, "spec": PODS})
        assert made.status_code in (201, 409), made.text
    return our_api, their_api


PODS = {"containers": [{"name": "c", "image": "x"}]}


def bound(**reference: str) -> dict[str, Any]:
    return {"boundObjectRef": reference}


REQUESTS: list[dict[str, Any]] = [
    {"spec": {"expirationSeconds": 1}},
    {"spec": {"expirationSeconds": 2**33}},
    {"spec": bound(kind="Pod", apiVersion="v1", name="none")},
    {"spec": bound(kind="Foo", apiVersion="v1", name="none")},
    {"spec": bound(kind="Foo", apiVersion="apps/v1", name="none")},
    {"spec": bound(kind="Pod", apiVersion="v1", name="held", uid="x")},
    {"spec": bound(kind="Secret", apiVersion="v1", name="none")},
    {"kind": "Foo"},
]


@pytest.mark.parametrize("body", REQUESTS, ids=str)
def test_tokens_are_refused_alike(both: tuple[Api, Api], body: dict[str, Any]) -> None:
    ours, theirs = (api.call("POST", TOKEN, json=body) for api in both)
    assert ours.status_code == theirs.status_code >= 400
    assert ours.json()["message"].removesuffix(" here") in theirs.json()["message"]
    assert causes(ours) == causes(theirs)


def claims(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"audiences": []},
        {"audiences": ["x"], "expirationSeconds": 7200},
        bound(kind="Pod", apiVersion="v1", name="held"),
    ],
    ids=str,
)
def test_tokens_claim_the_same(both: tuple[Api, Api], spec: dict[str, Any]) -> None:
    made = [api.call("POST", TOKEN, json={"spec": spec}).json() for api in both]
    ours, theirs = (claims(one["status"]["token"]) for one in made)
    assert ours.pop("jti"), "newer versions number their tokens"
    assert ours.keys() == theirs.keys()
    for name in ("aud", "iss", "sub"):
        assert ours[name] == theirs[name]
    assert ours["exp"] - ours["iat"] == theirs["exp"] - theirs["iat"]
    assert common(ours["kubernetes.io"]) == common(theirs["kubernetes.io"])
    asked = [{key: value for key, value in one["spec"].items() if value is not None} for one in made]
    assert common(asked[0]) == common(asked[1])


@pytest.mark.parametrize("audiences", [[], ["foo"], [AUDIENCE, "foo"]], ids=str)
@pytest.mark.parametrize("change", ["", "signature", "words", "bootstrap"])
def test_tokens_are_judged_alike(both: tuple[Api, Api], change: str, audiences: list[str]) -> None:
    def judged(api: Api) -> Any:
        token = api.call("POST", TOKEN, json={"spec": {}}).json()["status"]["token"]
        sent = {
            "": token,
            "signature": token[:-9] + "AAAAAAAAA",
            "words": "abc",
            "bootstrap": "abcdef.0123456789abcdef",
        }
        answer = api.call("POST", TOKENS, json={"spec": {"token": sent[change], "audiences": audiences}})
        assert answer.status_code == 201
        status = answer.json()["status"]
        # Newer versions tell the token's number.
        status["user"].get("extra", {}).pop("authentication.kubernetes.io/credential-id", None)
        status["user"] = {key: one for key, one in status["user"].items() if one}
        status["user"]["groups"] = sorted(status["user"].get("groups", []))
        return common(status | {"error": "invalid bearer token" in status.get("error", "")})

    assert judged(both[0]) == judged(both[1])


def pods(**more: str) -> dict[str, Any]:
    return {"resourceAttributes": {"verb": "get", "resource": "pods"} | more}


PATH = {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}}
NODE = {"user": "system:node:n1", "groups": ["system:nodes"]}
SCHEDULER = {"user": "system:kube-scheduler"}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    *(("subjectaccessreviews", {"spec": spec}) for spec in ({}, {"user": "a"}, pods(), pods() | {"user": "a"})),
    ("subjectaccessreviews", {"spec": pods() | {"groups": ["system:masters"]}}),
    ("subjectaccessreviews", {"spec": pods() | PATH | {"user": "a"}}),
    ("subjectaccessreviews", {"spec": PATH | {"user": "a"}}),
    ("subjectaccessreviews", {"spec": PATH | {"groups": ["system:authenticated"]}}),
    ("subjectaccessreviews", {"spec": pods(verb="create", subresource="binding", namespace="x") | SCHEDULER}),
    ("subjectaccessreviews", {"spec": pods(verb="create", resource="pods/binding", namespace="x") | SCHEDULER}),
    ("subjectaccessreviews", {"spec": pods(verb="*", resource="*", group="*") | {"groups": ["system:masters"]}}),
    ("subjectaccessreviews", {"spec": {"resourceAttributes": {}, "user": "a"}}),
    ("subjectaccessreviews", {"spec": pods(version="v1") | {"user": "a", "uid": "u", "extra": {"k": ["v"]}}}),
    ("subjectaccessreviews", {"metadata": {"name": "x"}, "spec": pods() | {"user": "a"}}),
    ("subjectaccessreviews", {"metadata": {"labels": {"x": "y"}}, "spec": pods() | {"user": "a"}}),
    ("subjectaccessreviews?dryRun=x", {"spec": pods() | {"user": "a"}}),
    ("subjectaccessreviews?dryRun=All", {"spec": pods() | {"user": "a"}}),
    *(("selfsubjectaccessreviews", {"spec": spec}) for spec in ({}, pods(), PATH, pods() | PATH)),
    ("selfsubjectrulesreviews", {"spec": {}}),
]


@pytest.mark.parametrize(("path", "body"), QUESTIONS, ids=str)
def test_what_one_may_is_answered_alike(both: tuple[Api, Api], path: str, body: dict[str, Any]) -> None:
    ours, theirs = (api.call("POST", f"{REVIEWS}/{path}", json=body) for api in both)
    assert ours.status_code == theirs.status_code, (ours.text, theirs.text)
    assert causes(ours) == causes(theirs)
    if ours.status_code == 201:
        assert common(ours.json()["spec"]) == common(theirs.json()["spec"])
        mine, other = (_without_binding(one.json()["status"]) for one in (ours, theirs))
        assert mine == other


def _without_binding(status: Any) -> Any:
    """Several bindings may allow it, and either of them is told."""
    return status | {"reason": re.sub(r'Binding "\S+" of ClusterRole "\S+"', "", status.get("reason", ""))}


def test_all_that_one_may_is_listed_without_the_question(both: tuple[Api, Api]) -> None:
    answers = [
        api.call("POST", f"{REVIEWS}/selfsubjectrulesreviews", json={"spec": {"namespace": "default"}}) for api in both
    ]
    assert answers[0].json()["spec"] == answers[1].json()["spec"]
    ours, theirs = (one.json()["status"] for one in answers)
    assert ours["incomplete"] == theirs["incomplete"]
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    assert everything in ours["resourceRules"]
    assert everything in theirs["resourceRules"]


SOMEBODY = {"Impersonate-User": "somebody"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"{NAMESPACE}/pods{rest}") for rest in ("", "/x", "?watch=1", "/x/log")),
        *(("GET", path) for path in ("/api/v1/nodes/x/proxy/foo", "/apis/apps/v1/deployments", "/metrics", "/foo/bar")),
        *(("GET", path) for path in (f"{TOKENS}/x", "/apis/foo/v1/bars", "/apis/foo/v1/namespaces/a/bars/b/c")),
        *((method, "/apis/foo/v1/bars") for method in ("POST", "DELETE")),
        *((method, f"{NAMESPACE}/pods") for method in ("POST", "DELETE")),
        *((method, f"{NAMESPACE}/pods/x/status") for method in ("PUT", "PATCH", "GET")),
        ("POST", f"{NAMESPACE}/pods/x/eviction"),
    ],
)
def test_who_may_not_is_told_the_same(both: tuple[Api, Api], method: str, path: str) -> None:
    ours, theirs = (api.call(method, path, json={}, headers=SOMEBODY).json() for api in both)
    assert (ours["code"], ours["message"]) == (theirs["code"], theirs["message"])


HEALTH = ["", "/ping", "/etcd", "/none", "?exclude=etcd", "?exclude=none"]


@pytest.mark.parametrize("path", [f"/{root}{rest}" for root in ("healthz", "livez", "readyz") for rest in HEALTH])
def test_health_is_told_the_same(both: tuple[Api, Api], path: str) -> None:
    ours, theirs = (api.call("GET", path) for api in both)
    assert ours.status_code == theirs.status_code
    if ours.ok:
        assert (ours.text, ours.headers["Content-Type"]) == (theirs.text, theirs.headers["Content-Type"])


@pytest.mark.parametrize("query", ["", "&exclude=etcd", "&exclude=none&exclude=other"])
def test_named_checks_are_told_the_same(both: tuple[Api, Api], query: str) -> None:
    """Ours are few; each is among theirs, in the same words."""
    ours, theirs = (api.call("GET", f"/livez?verbose{query}").text.splitlines() for api in both)
    assert [line for line in theirs if line in ours] == ours
    assert "[+]ping ok" in ours


def _resources(api: Api) -> dict[str, Any]:
    groups = [version["groupVersion"] for one in api.get("/apis")["groups"] for version in one["versions"]]
    listed = {root: api.get(root)["resources"] for root in ("/api/v1", *(f"/apis/{group}" for group in groups))}
    return {f"{root}/{one['name']}": one for root, found in listed.items() for one in found}


def test_what_is_served_is_listed_the_same(both: tuple[Api, Api]) -> None:
    ours, theirs = (_resources(api) for api in both)
    compared = ours.keys() & theirs.keys()
    assert len(compared) > 60
    for name in sorted(compared):
        mine, other = ours[name], theirs[name]
        for part in ("kind", "namespaced", "shortNames", "categories", "group"):
            assert mine.get(part) == other.get(part), (name, part)
        # Services can be deleted together since 1.22.
        newer = {"deletecollection"} if name.endswith("/services") else set()
        assert set(mine["verbs"]) - newer == set(other["verbs"]) - newer, name


def test_one_group_is_told_the_same(both: tuple[Api, Api]) -> None:
    for path in ("/apis/apps", "/apis/apps/", "/apis/storage.k8s.io/v2", "/api/v2"):
        ours, theirs = (api.call("GET", path) for api in both)
        assert ours.status_code == theirs.status_code
        if ours.ok:
            assert ours.json() == theirs.json()


def test_metrics_have_the_same_names(both: tuple[Api, Api]) -> None:
    """What is counted by requests; the rest is of each server's own make, or of a later version."""
    for api in both:
        api.get(f"{NAMESPACE}/pods")
    ours, theirs = (api.call("GET", "/metrics").text for api in both)
    types = [
        set(re.findall(r"^# TYPE (apiserver_request_\S+|process_\S+) (\S+)", text, re.MULTILINE))
        for text in (ours, theirs)
    ]
    later = {
        ("apiserver_request_sli_duration_seconds", "histogram"),
        ("apiserver_request_terminations_total", "counter"),
    }
    assert types[0] - later <= types[1]
    assert ("apiserver_request_duration_seconds", "histogram") in types[0]
    wanted = {"verb": "LIST", "resource": "pods", "scope": "namespace", "group": "", "version": "v1", "code": "200"}
    for text in (ours, theirs):
        lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total{")]
        assert any(wanted.items() <= dict(re.findall(r'(\w+)="([^"]*)"', line)).items() for line in lines)


def _counted(text: str, name: str, **labels: str) -> dict[str, int]:
    """By the label dry_run: how many requests with these labels."""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        told = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if line.startswith(name + "{") and labels.items() <= told.items():
            counts[told["dry_run"]] = counts.get(told["dry_run"], 0) + int(line.rsplit(" ", 1)[1])
    return counts


@pytest.mark.parametrize("name", ["apiserver_request_total", "apiserver_request_duration_seconds_count"])
def test_what_is_only_tried_is_counted_apart(both: tuple[Api, Api], name: str) -> None:
    def more(api: Api) -> dict[str, int]:
        labels = {"verb": "DELETE", "group": "apps", "resource": "replicasets"}
        path = "/apis/apps/v1/namespaces/default/replicasets/none"
        before = _counted(api.call("GET", "/metrics").text, name, **labels)
        for query in ("", "?dryRun=All", "?dryRun=All&dryRun=All", "?dryRun=", "?dryRun=x"):
            api.call("DELETE", path + query)
        api.call("DELETE", path, json={"dryRun": ["All"]})
        after = _counted(api.call("GET", "/metrics").text, name, **labels)
        return {value: count - before.get(value, 0) for value, count in after.items()}

    ours, theirs = (more(api) for api in both)
    assert ours == theirs == {"": 2, "All": 2, "invalid": 2}


TABLE, METADATA, LIST = (
    f"application/json;as={form};v=v1;g=meta.k8s.io"
    for form in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
)
PODS_PATH = f"{NAMESPACE}/pods"
# Not YAML, and nothing indented: this build of 1.20 ends when it sorts the keys of a map.
FORMS = [
    *(
        (PODS_PATH, accept)
        for accept in (TABLE, LIST, TABLE.replace("=v1", "=v1beta1"), LIST.replace("=v1", "=v1beta1"))
    ),
    *(
        (path, METADATA)
        for path in (PODS_PATH, "/apis/apps/v1/deployments", "/apis/rbac.authorization.k8s.io/v1/roles")
    ),
    *((PODS_PATH, accept) for accept in (f"{METADATA},application/json", "application/json;g=meta.k8s.io")),
    *((PODS_PATH, accept) for accept in ("application/*", "application/*,application/json", "application/json;v=v1")),
    *((f"{PODS_PATH}/held", accept) for accept in (LIST, f"{LIST},application/json", "application/*")),
    *((f"{PODS_PATH}/held", accept) for accept in (TABLE, METADATA, METADATA.replace("=v1", "=v1beta1"))),
    *((PODS_PATH, accept) for accept in (f"{TABLE},application/json", TABLE.replace("=v1", "=v9"))),
    *((PODS_PATH, accept) for accept in ("application/json;as=Foo;v=v1;g=meta.k8s.io", "application/json;as=Table")),
    *(
        (PODS_PATH, accept)
        for accept in ("text/html", "text/html,*/*;q=0.1", "*/*", "", "application/xml", "foo", "text/*")
    ),
    *(
        (PODS_PATH, accept)
        for accept in ("application/vnd.kubernetes.protobuf", "application/json;charset=utf-8", "a/b;c")
    ),
    (PODS_PATH, "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io"),
    (f"{PODS_PATH}?includeObject=None", TABLE),
    (f"{PODS_PATH}?includeObject=Object", TABLE),
    (f"{PODS_PATH}?includeObject=Foo", TABLE),
]


@pytest.mark.parametrize(("path", "accept"), FORMS)
def test_the_form_of_an_answer_is_chosen_alike(both: tuple[Api, Api], path: str, accept: str) -> None:
    ours, theirs = (api.call("GET", path, headers={"Accept": accept}) for api in both)
    assert ours.status_code == theirs.status_code
    for name in ("Content-Type", "Cache-Control"):
        assert ours.headers[name] == theirs.headers[name]
    if "json" in ours.headers["Content-Type"]:
        mine, other = ours.json(), theirs.json()
        assert (mine["kind"], mine["apiVersion"]) == (other["kind"], other["apiVersion"])
        rows = [[(row.get("object") or {}).get("kind") for row in one.get("rows", [])] for one in (mine, other)]
        assert rows[0] == rows[1]
        if mine.get("message", "").startswith("you requested"):
            assert mine["message"] == other["message"]


@pytest.mark.parametrize("path", ["/version", "/api", "/api/v1", "/apis/apps/v1"])
@pytest.mark.parametrize(
    "accept", ["text/html", "application/*", "application/xml,text/*", "foo", "*/*", "a/b,*/*;q=0.1"]
)
def test_documents_of_json_alone_are_refused_alike(both: tuple[Api, Api], path: str, accept: str) -> None:
    ours, theirs = (api.call("GET", path, headers={"Accept": accept}) for api in both)
    assert ours.status_code == theirs.status_code
    assert [ours.json().get(field) for field in ("reason", "message")] == [
        theirs.json().get(field) for field in ("reason", "message")
    ]


BODIES = ["application/json", "text/plain", "application/xml", "", "application/json; charset=utf-8", "foo", "*/*"]


@pytest.mark.parametrize("media", [*BODIES, "application/yaml", "application/merge-patch+json", "application/cbor"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_bodies_are_read_or_refused_alike(both: tuple[Api, Api], method: str, media: str) -> None:
    path = f"{NAMESPACE}/configmaps" + ("" if method == "POST" else "/none")
    headers = {"Content-Type": media}
    told = [api.call(method, f"{path}?dryRun=All", data='{"metadata":{"name":"x"}}', headers=headers) for api in both]
    assert told[0].status_code == told[1].status_code, [one.text for one in told]
