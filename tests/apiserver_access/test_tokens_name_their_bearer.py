"""Bearer tokens against a whole server: who they name, and when they stop."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
from tests_apiserver import Api, Running, pod

from master import pki
from master.apiserver.authentication.service_accounts import Private, Reference, ServiceAccountTokens
from master.apiserver.authentication.user import BadTokenError

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUDIENCE = "https://kubernetes.default.svc.cluster.local"
Bearer = Callable[[str], Api]


@pytest.fixture
def nobody(server: Running, certificates: pki.Pki) -> Iterator[Api]:
    """A client without a certificate."""
    context = urllib3.util.create_urllib3_context()
    context.load_verify_locations(cadata=certificates.ca_certificate.read_text())
    pool = urllib3.PoolManager(ssl_context=context, retries=False)
    yield Api(server.url, pool)
    pool.clear()


def account(api: Api, namespace: str, name: str = "robot") -> Reference:
    made = api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    assert made.status == 201, made.data
    return Reference(name, made.json["metadata"]["uid"])


def issued(server: Running, namespace: str, one: Reference, bound: Private | None = None, **options: Any) -> str:
    wanted = {"audiences": (), "expires_s": 600} | options
    token, _ = server.api.tokens.issue(namespace, one, bound=bound, **wanted)
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def let(api: Api, namespace: str, subject: dict[str, str]) -> None:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    body = {"metadata": {"generateName": "b-"}, "roleRef": reference, "subjects": [subject]}
    assert api.post(f"{RBAC}/namespaces/{namespace}/rolebindings", body).status == 201


def test_a_token_acts_as_its_service_account(server: Running, admin: Api, nobody: Api, namespace: str) -> None:
    token = issued(server, namespace, account(admin, namespace))
    pods = f"/api/v1/namespaces/{namespace}/pods"
    refused = nobody.get(pods, **bearer(token))
    assert refused.status == 403
    assert f'User "system:serviceaccount:{namespace}:robot" cannot list' in refused.json["message"]
    let(admin, namespace, {"kind": "ServiceAccount", "name": "robot", "namespace": namespace})
    assert nobody.get(pods, **bearer(token)).status == 200
    assert nobody.get(pods).status == 401


def test_service_accounts_are_a_group_and_one_in_each_namespace(
    server: Running, admin: Api, nobody: Api, namespace: str
) -> None:
    token = issued(server, namespace, account(admin, namespace))
    let(admin, namespace, {"kind": "Group", "name": f"system:serviceaccounts:{namespace}"})
    assert nobody.get(f"/api/v1/namespaces/{namespace}/pods", **bearer(token)).status == 200
    for path in ("/api", "/version", "/openid/v1/jwks"):
        assert nobody.get(path, **bearer(token)).status == 200


def test_a_token_ends_with_its_account_and_with_its_pod(
    server: Running, admin: Api, nobody: Api, namespace: str
) -> None:
    one = account(admin, namespace)
    made = admin.post(f"/api/v1/namespaces/{namespace}/pods", pod("p", serviceAccountName="robot"))
    bound = Private(namespace, one, pod=Reference("p", made.json["metadata"]["uid"]))
    plain, of_pod = issued(server, namespace, one), issued(server, namespace, one, bound)
    for token in (plain, of_pod):
        assert nobody.get("/api", **bearer(token)).status == 200
    assert admin.delete(f"/api/v1/namespaces/{namespace}/pods/p").status == 200
    assert nobody.get("/api", **bearer(of_pod)).status == 401
    assert nobody.get("/api", **bearer(plain)).status == 200
    assert admin.delete(f"/api/v1/namespaces/{namespace}/serviceaccounts/robot").status == 200
    assert nobody.get("/api", **bearer(plain)).status == 401
    account(admin, namespace)
    assert nobody.get("/api", **bearer(plain)).status == 401, "the new account of the same name is another one"


def test_a_token_for_somebody_else_is_none_here(server: Running, admin: Api, nobody: Api, namespace: str) -> None:
    token = issued(server, namespace, account(admin, namespace), audiences=("vault",))
    assert nobody.get("/api", **bearer(token)).status == 401
    proof = server.api.tokens.judge(token, ["vault", "other"])
    assert proof is not None
    assert proof.audiences == ("vault",)


def test_a_token_has_its_time(server: Running, admin: Api, namespace: str) -> None:
    one, now = account(admin, namespace), [time.time()]
    tokens = ServiceAccountTokens(
        server.api.cache, lambda: server.api.tokens.key, issuer=server.api.tokens.issuer, clock=lambda: now[0]
    )
    token, end = tokens.issue(namespace, one, audiences=(), expires_s=600, bound=None)
    assert end == int(now[0]) + 600
    assert tokens.judge(token) is not None
    now[0] += 700
    with pytest.raises(BadTokenError, match="expired"):
        tokens.judge(token)
    now[0] -= 1400
    with pytest.raises(BadTokenError, match="not good yet"):
        tokens.judge(token)


@pytest.mark.parametrize(
    "value", ["Bearer x", "Bearer a.b.c", "Bearer", "Basic YTpi", "Bearer abcdef.0123456789abcdef"]
)
def test_a_proof_that_proves_nothing_is_refused_even_where_anyone_may_look(nobody: Api, value: str) -> None:
    assert nobody.get("/healthz", Authorization=value).status == 401


def secret(identity: str, **data: str) -> dict[str, Any]:
    values = {
        "token-id": identity,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **{name.replace("_", "-"): value for name, value in data.items()},
    }
    return {
        "metadata": {"name": f"bootstrap-token-{identity}"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": values,
    }


@pytest.mark.parametrize(
    ("identity", "data", "good"),
    [
        ("aaaaa1", {}, True),
        ("aaaaa2", {"expiration": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, True),
        ("aaaaa3", {"expiration": "2020-01-01T00:00:00Z"}, False),
        ("aaaaa4", {"expiration": "soon"}, False),
        ("aaaaa5", {"usage_bootstrap_authentication": "false"}, False),
        ("aaaaa6", {"token_id": "bbbbbb"}, False),
        ("aaaaa7", {"auth_extra_groups": "system:bootstrappers:workers"}, True),
        ("aaaaa8", {"auth_extra_groups": "system:masters"}, False),
        ("aaaaa9", {"token_secret": "fedcba9876543210"}, False),
    ],
)
def test_a_bootstrap_token_is_good_while_its_secret_says_so(
    admin: Api, nobody: Api, identity: str, data: dict[str, str], good: bool
) -> None:
    made = admin.post("/api/v1/namespaces/kube-system/secrets", secret(identity, **data))
    assert made.status == 201, made.data
    told = bearer(f"{identity}.0123456789abcdef")
    answer = nobody.get("/api/v1/nodes", **told)
    assert answer.status == (403 if good else 401)
    if good:
        assert f'User "system:bootstrap:{identity}"' in answer.json["message"]
    admin.delete(f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{identity}")
    assert nobody.get("/api/v1/nodes", **told).status == 401


def test_others_can_check_our_tokens(server: Running, admin: Api, nobody: Api) -> None:
    told = admin.get("/.well-known/openid-configuration")
    assert told.json["issuer"] == AUDIENCE
    assert told.json["jwks_uri"].endswith("/openid/v1/jwks")
    assert told.json["id_token_signing_alg_values_supported"] == ["RS256"]
    keys = admin.get("/openid/v1/jwks")
    assert keys.headers["Content-Type"] == "application/jwk-set+json"
    assert keys.json == {"keys": [server.api.tokens.key.jwk()]}
    assert nobody.get("/openid/v1/jwks").status == 401
    assert admin.get("/openid/v2").status == 404


def test_one_who_may_impersonate_acts_as_somebody_else(admin: Api, person: Callable[..., Api], namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    ann = {"Impersonate-User": "ann"}
    assert admin.get(pods, **ann).status == 403
    let(admin, namespace, {"kind": "Group", "name": "team", "apiGroup": "rbac.authorization.k8s.io"})
    assert admin.get(pods, **ann, **{"Impersonate-Group": "team"}).status == 200
    eve = person("eve")
    refused = eve.get("/api", **ann)
    assert refused.status == 403
    assert refused.json["message"] == (
        'users "ann" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope'
    )
    rules = [{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["ann"]}]
    assert admin.post(f"{RBAC}/clusterroles", {"metadata": {"name": "be-ann"}, "rules": rules}).status == 201
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "be-ann"}
    body = {"metadata": {"name": "be-ann"}, "roleRef": reference, "subjects": [{"kind": "User", "name": "eve"}]}
    assert admin.post(f"{RBAC}/clusterrolebindings", body).status == 201
    assert eve.get("/api", **ann).status == 200
    masters = eve.get("/api", **ann, **{"Impersonate-Group": "system:masters"})
    assert masters.status == 403
    assert 'cannot impersonate resource "groups"' in masters.json["message"]
    assert admin.get("/api", **{"Impersonate-Group": "team"}).status == 400


def test_a_service_account_is_impersonated_with_its_groups(admin: Api, namespace: str) -> None:
    let(admin, namespace, {"kind": "Group", "name": f"system:serviceaccounts:{namespace}"})
    robot = {"Impersonate-User": f"system:serviceaccount:{namespace}:robot"}
    assert admin.get(f"/api/v1/namespaces/{namespace}/pods", **robot).status == 200
    assert admin.get("/api/v1/namespaces/default/pods", **robot).status == 403
