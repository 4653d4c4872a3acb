"""Namespaces: their own names, and their end with all in them."""

from __future__ import annotations

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl
from tests.e2e.pods import FETCH, controller, service, shell
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster


def test_a_deleted_namespace_takes_all_in_it(kubectl: Kubectl, api: Api, cluster: Cluster, namespace: str) -> None:
    kubectl.create(controller("web", 2), service("web", 80), namespace=namespace)
    kubectl("create", "configmap", "settings", "--from-literal=a=b", "-n", namespace)
    until(lambda: len(api.ready_pods("app=web", namespace)) == 2, limit_s=15, what="two pods")
    kubectl("delete", "namespace", namespace, limit_s=40)
    assert not api.is_there(f"/api/v1/namespaces/{namespace}")
    for plural in ("pods", "services", "replicationcontrollers", "configmaps", "endpoints"):
        assert api.items(plural, namespace) == []
    assert not [name for name in cluster.containers() if namespace in name]


def test_services_are_found_across_namespaces(
    kubectl: Kubectl, api: Api, cluster: Cluster, namespace: str, created: str
) -> None:
    kubectl.create(controller("web", 1), namespace=namespace)
    (made,) = until(lambda: api.ready_pods("app=web", namespace), limit_s=15, what="a pod")
    assert cluster.execute(made, *shell(f"{FETCH} -O - http://frontend.default/healthz")) == "ok\n"
    assert "bad address" in cluster.execute(made, *shell(f"{FETCH} -O - http://frontend/healthz 2>&1; true"))


def test_the_default_namespace_stays(kubectl: Kubectl, api: Api) -> None:
    result = kubectl.try_it("delete", "namespace", "default")
    assert result.returncode == 1
    assert "Forbidden" in result.stderr
    assert api.is_there("/api/v1/namespaces/default")
