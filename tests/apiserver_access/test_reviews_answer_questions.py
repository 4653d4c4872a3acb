"""Reviews and tokens by request, as programs and as kubectl ask for them."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests_apiserver import Api, Running, pod

from api import protobuf
from api.authentication import SelfSubjectReview
from api.authorization import ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec

AUTHENTICATION, AUTHORIZATION = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
Person = Callable[..., Api]


def ask(api: Api, path: str, spec: dict[str, Any]) -> Any:
    answer = api.post(path, {"spec": spec})
    assert answer.status == 201, answer.data
    return answer.json["status"]


def grant(admin: Api, namespace: str, role: str, subject: dict[str, str]) -> None:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    body = {"metadata": {"name": f"{role}-b"}, "roleRef": reference, "subjects": [subject]}
    assert admin.post(f"{RBAC}/namespaces/{namespace}/rolebindings", body).status == 201


def test_anyone_may_ask_what_he_may(admin: Api, person: Person, namespace: str) -> None:
    grant(admin, namespace, "view", {"kind": "User", "name": "vic"})
    vic, path = person("vic"), f"{AUTHORIZATION}/selfsubjectaccessreviews"
    wish = {"verb": "list", "resource": "pods", "namespace": namespace}
    allowed = ask(vic, path, {"resourceAttributes": wish})
    assert allowed == {
        "allowed": True,
        "reason": f'RBAC: allowed by RoleBinding "view-b/{namespace}" of ClusterRole "view" to User "vic"',
    }
    assert ask(vic, path, {"resourceAttributes": wish | {"verb": "delete"}}) == {"allowed": False}
    assert ask(vic, path, {"resourceAttributes": wish | {"subresource": "log"}})["allowed"] is True
    assert ask(vic, path, {"resourceAttributes": wish | {"subresource": "exec"}})["allowed"] is False
    assert ask(vic, path, {"nonResourceAttributes": {"path": "/version", "verb": "get"}})["allowed"] is True
    assert ask(vic, path, {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}})["allowed"] is False


def test_only_those_who_may_ask_about_others(admin: Api, person: Person, namespace: str) -> None:
    grant(admin, namespace, "edit", {"kind": "Group", "name": "writers"})
    wish = {"verb": "create", "resource": "pods", "namespace": namespace}
    spec = {"resourceAttributes": wish, "user": "wanda", "groups": ["writers"]}
    assert ask(admin, f"{AUTHORIZATION}/subjectaccessreviews", spec)["allowed"] is True
    assert ask(admin, f"{AUTHORIZATION}/subjectaccessreviews", spec | {"groups": []})["allowed"] is False
    here = f"{AUTHORIZATION}/namespaces/{namespace}/localsubjectaccessreviews"
    assert ask(admin, here, spec)["allowed"] is True
    assert person("pat").post(f"{AUTHORIZATION}/subjectaccessreviews", {"spec": spec}).status == 403
    other = admin.post(here, {"spec": spec | {"resourceAttributes": wish | {"namespace": "default"}}})
    assert other.status == 422
    assert "spec.resourceAttributes.namespace: Invalid value" in other.json["message"]


@pytest.mark.parametrize(
    ("path", "spec", "code", "message"),
    [
        ("selfsubjectaccessreviews", {}, 422, "exactly one of nonResourceAttributes or resourceAttributes"),
        (
            "selfsubjectaccessreviews",
            {"resourceAttributes": {}, "nonResourceAttributes": {}},
            422,
            "cannot be specified in combination with resourceAttributes",
        ),
        ("subjectaccessreviews", {"resourceAttributes": {}}, 422, "at least one of user or group must be specified"),
        ("selfsubjectrulesreviews", {}, 400, "no namespace on request"),
    ],
)
def test_a_question_that_is_none_is_refused(
    admin: Api, path: str, spec: dict[str, Any], code: int, message: str
) -> None:
    refused = admin.post(f"{AUTHORIZATION}/{path}", {"spec": spec})
    assert refused.status == code
    assert message in refused.json["message"]


def test_all_that_one_may_is_listed_once(admin: Api, person: Person, namespace: str) -> None:
    grant(admin, namespace, "view", {"kind": "User", "name": "lis"})
    rules = ask(person("lis"), f"{AUTHORIZATION}/selfsubjectrulesreviews", {"namespace": namespace})
    shown = [json.dumps(rule) for rule in rules["resourceRules"]]
    assert len(shown) == len(set(shown))
    assert any("pods/log" in rule["resources"] for rule in rules["resourceRules"])
    assert rules["nonResourceRules"]
    assert rules["incomplete"] is False
    elsewhere = ask(person("lis"), f"{AUTHORIZATION}/selfsubjectrulesreviews", {"namespace": "default"})
    assert not any("pods/log" in rule["resources"] for rule in elsewhere["resourceRules"])


def token_of(api: Api, namespace: str, name: str, spec: dict[str, Any] | None = None) -> Any:
    return api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", {"spec": spec or {}})


def claims_of(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_a_token_on_request_carries_kubernetes_claims(admin: Api, namespace: str) -> None:
    admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "robot"}})
    made = admin.post(f"/api/v1/namespaces/{namespace}/pods", pod("p", serviceAccountName="robot", nodeName="n7"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made.json["metadata"]["uid"]}
    answer = token_of(admin, namespace, "robot", {"expirationSeconds": 900, "boundObjectRef": reference})
    assert answer.status == 201, answer.data
    assert answer.json["spec"]["audiences"] == ["https://kubernetes.default.svc.cluster.local"]
    claims = claims_of(answer.json["status"]["token"])
    assert claims["iss"] == "https://kubernetes.default.svc.cluster.local"
    assert claims["aud"] == answer.json["spec"]["audiences"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:robot"
    assert claims["exp"] - claims["iat"] == 900
    assert claims["nbf"] == claims["iat"]
    assert claims["jti"]
    private = claims["kubernetes.io"]
    assert private["namespace"] == namespace
    assert private["serviceaccount"]["name"] == "robot"
    assert private["pod"] == {"name": "p", "uid": reference["uid"]}
    assert private["node"]["name"] == "n7"
    review = ask(admin, f"{AUTHENTICATION}/tokenreviews", {"token": answer.json["status"]["token"]})
    assert review["authenticated"] is True
    assert review["user"]["username"] == claims["sub"]
    assert review["user"]["uid"] == private["serviceaccount"]["uid"]
    assert review["user"]["groups"] == [
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
    ]
    assert review["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]


@pytest.mark.parametrize(
    ("name", "spec", "code"),
    [
        ("robot", {"expirationSeconds": 60}, 422),
        ("robot", {"expirationSeconds": 2**33}, 422),
        ("nobody", {}, 404),
        ("robot", {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "none"}}, 404),
        ("robot", {"boundObjectRef": {"kind": "Service", "apiVersion": "v1", "name": "x"}}, 400),
        ("robot", {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "other"}}, 400),
        ("default", {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "other", "uid": "x"}}, 409),
    ],
)
def test_a_token_that_may_not_be_is_refused(
    admin: Api, namespace: str, name: str, spec: dict[str, Any], code: int
) -> None:
    for account in ("robot", "default"):
        admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
    admin.post(f"/api/v1/namespaces/{namespace}/pods", pod("other", serviceAccountName="default"))
    assert token_of(admin, namespace, name, spec).status == code


def test_a_review_of_a_bad_token_says_so_and_is_no_error(admin: Api) -> None:
    for token in ("x", "a.b.c", "abcdef.0123456789abcdef"):
        status = ask(admin, f"{AUTHENTICATION}/tokenreviews", {"token": token})
        assert not status.get("authenticated")
        assert status["user"] == {}
        assert "invalid bearer token" in status["error"]
    assert admin.post(f"{AUTHENTICATION}/tokenreviews", {"spec": {}}).status == 400


def test_a_question_is_no_object(admin: Api) -> None:
    path = f"{AUTHORIZATION}/selfsubjectaccessreviews"
    question = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    named = admin.post(path, {"metadata": {"name": "x"}} | question)
    assert named.status == 422
    assert [one["field"] for one in named.json["details"]["causes"]] == ["metadata"]
    assert admin.post(path, {"metadata": {"creationTimestamp": None}} | question).status == 201
    assert admin.post(f"{path}?dryRun=All", question).status == 201
    assert admin.post(f"{path}?dryRun=no", question).status == 422


def test_an_answer_says_why(admin: Api) -> None:
    path = {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}}
    status = ask(admin, f"{AUTHORIZATION}/subjectaccessreviews", {"groups": ["system:authenticated"], **path})
    assert status["allowed"]
    assert status["reason"].startswith("RBAC: allowed by ClusterRoleBinding")
    assert status["reason"].endswith('to Group "system:authenticated"')
    # No binding is asked about those who may do everything.
    assert ask(admin, f"{AUTHORIZATION}/subjectaccessreviews", {"groups": ["system:masters"], **path}) == {
        "allowed": True
    }


def test_questions_come_in_protobuf_too(person: Person) -> None:
    api, form = person("pia", "devs"), protobuf.CONTENT_TYPE
    spec = SelfSubjectAccessReviewSpec(resource_attributes=ResourceAttributes(verb="get", resource="pods"))
    body = protobuf.encode(SelfSubjectAccessReview(spec=spec), "authorization.k8s.io/v1", "SelfSubjectAccessReview")
    answer = api.call("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", body, Content_Type=form)
    assert answer.json["status"] == {"allowed": False}
    body = protobuf.encode(SelfSubjectReview(), "authentication.k8s.io/v1", "SelfSubjectReview")
    answer = api.call("POST", f"{AUTHENTICATION}/selfsubjectreviews", body, Content_Type=form, Accept=form)
    _, kind, raw = protobuf.unwrap(answer.data)
    assert kind == "SelfSubjectReview"
    info = protobuf.decode(raw, SelfSubjectReview)["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("pia", ["devs", "system:authenticated"])


def test_reviews_are_only_to_be_created(admin: Api) -> None:
    listed = admin.get(AUTHORIZATION).json["resources"]
    assert {one["name"]: one["verbs"] for one in listed} == {
        "localsubjectaccessreviews": ["create"],
        "selfsubjectaccessreviews": ["create"],
        "selfsubjectrulesreviews": ["create"],
        "subjectaccessreviews": ["create"],
    }
    assert admin.get(f"{AUTHORIZATION}/subjectaccessreviews").status == 405
    assert admin.get(f"{AUTHORIZATION}/subjectaccessreviews/x").status == 404
    core = {one["name"]: one for one in admin.get("/api/v1").json["resources"]}
    assert core["serviceaccounts/token"]["kind"] == "TokenRequest"
    assert core["serviceaccounts/token"]["group"] == "authentication.k8s.io"


def test_kubectl_asks_who_and_may_i(kubectl: Callable[..., Any], server: Running, namespace: str) -> None:
    assert kubectl("auth", "can-i", "delete", "pods").stdout == "yes\n"
    refused = kubectl("auth", "can-i", "delete", "pods", "--as=nina", ok=False)
    assert refused.stdout == "no\n"
    assert kubectl("auth", "can-i", "get", "/version", "--as=nina").stdout == "yes\n"
    listed = kubectl("auth", "can-i", "--list", "--as=nina").stdout
    assert "selfsubjectreviews.authentication.k8s.io" in listed
    assert "[/openapi/*]" in listed
    who = kubectl("auth", "whoami", "--as=nina", "--as-group=devs").stdout
    assert "nina" in who
    assert "[devs system:authenticated]" in who


def test_kubectl_makes_tokens_that_work(
    kubectl: Callable[..., Any], server: Running, admin: Api, namespace: str
) -> None:
    kubectl("create", "serviceaccount", "robot")
    token = kubectl("create", "token", "robot", "--duration=20m").stdout.strip()
    assert claims_of(token)["exp"] - claims_of(token)["iat"] == 1200
    review = ask(admin, f"{AUTHENTICATION}/tokenreviews", {"token": token})
    assert review["user"]["username"] == f"system:serviceaccount:{namespace}:robot"
