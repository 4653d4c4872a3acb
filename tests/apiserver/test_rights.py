"""Who may do what."""

from collections.abc import Callable

import pytest
from tests_apiserver import Api, Running, pod


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", "/livez/ping"])
def test_nobody_in_particular_sees_health_and_version(
    server: Running, as_user: Callable[[Running, str], Api], path: str
) -> None:
    assert as_user(server, "").get(path).status == 200


@pytest.mark.parametrize(
    "path", ["/api", "/apis", "/api/v1/pods", "/metrics", "/openapi/v3", "/", "/apis/x/v1/y", "/z"]
)
def test_nobody_in_particular_sees_nothing_else(
    server: Running, as_user: Callable[[Running, str], Api], path: str
) -> None:
    refused = as_user(server, "").get(path)
    assert refused.status == 401
    assert (refused.json["reason"], refused.json["message"]) == ("Unauthorized", "Unauthorized")


def test_what_is_not_served_is_told_to_those_who_may_ask(
    admin: Api, server: Running, as_user: Callable[[Running, str], Api]
) -> None:
    proxy = as_user(server, "netproxy")
    for method, path, code in (
        ("GET", "/apis/x/v1/things", 404),
        ("GET", "/apis/x/v1/watch/things", 404),
        ("POST", "/apis/x/v1/namespaces/a/things", 404),
        ("PUT", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/namespaces/a/secrets/b/status", 404),
    ):
        assert admin.call(method, path, {}).status == code
        refused = proxy.call(method, path, {})
        assert (refused.status, refused.json["reason"]) == (403, "Forbidden"), path
    refused = proxy.get("/apis/x/v1/namespaces/a/things/b/part")
    assert refused.json["message"] == (
        'things.x "b" is forbidden: User "system:kube-proxy" cannot get resource "things/part" in API group "x" '
        'in the namespace "a"'
    )


def test_a_token_that_is_not_known_is_refused(server: Running, as_user: Callable[[Running, str], Api]) -> None:
    assert as_user(server, "").get("/version", Authorization="Bearer zzz").status == 401


def test_a_component_does_its_work_and_no_more(server: Running, as_user: Callable[[Running, str], Api]) -> None:
    proxy = as_user(server, "netproxy")
    assert proxy.get("/api/v1/services").status == 200
    assert proxy.get("/api").status == 200
    assert proxy.get("/metrics").status == 403
    refused = proxy.get("/api/v1/namespaces/default/pods")
    assert refused.status == 403
    assert refused.json["message"] == (
        'pods is forbidden: User "system:kube-proxy" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    one = as_user(server, "dns").delete("/api/v1/nodes/n1")
    assert one.json["message"] == (
        'nodes "n1" is forbidden: User "steersman:dns" cannot delete resource "nodes" in API group "" '
        "at the cluster scope"
    )
    scheduler = as_user(server, "scheduler")
    assert scheduler.post("/api/v1/namespaces/default/pods", pod("x")).status == 403
    assert scheduler.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x").status == 404
