"""Kubernetes' own controller manager and scheduler work against our API server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.doors import Api, Kubectl
from tests.e2e.pods import controller
from tests.e2e.waiting import until
from tests.peers.conftest import LIMIT_S
from tests.peers.mixed import MANIFESTS, Mixed
from tests.peers.objects import deployment, node

pytestmark = [pytest.mark.peer, pytest.mark.timeout(400)]


@pytest.fixture(scope="module", autouse=True)
def parts(our_master: Mixed, our_api: Api, our_kubectl: Kubectl) -> None:
    our_kubectl("create", "-f", str(MANIFESTS / "kube-controller-manager.yaml"))
    assert our_api.call("POST", "/api/v1/nodes", json=node("paper")).status_code == 201
    our_master.theirs("kube-controller-manager")
    our_master.theirs("kube-scheduler")


def scheduled(api: Api, selector: str) -> list[dict[str, Any]]:
    return [one for one in api.items("pods", selector=selector) if one["spec"].get("nodeName") == "paper"]


def staying(api: Api, selector: str) -> list[dict[str, Any]]:
    """Pods that were not asked to go. There is no agent which would end them."""
    return [one for one in api.items("pods", selector=selector) if "deletionTimestamp" not in one["metadata"]]


def test_the_pods_of_a_replication_controller_are_made_and_scheduled(our_api: Api, our_kubectl: Kubectl) -> None:
    our_kubectl.create(controller("rc", 3))
    until(lambda: len(scheduled(our_api, "app=rc")) == 3, limit_s=LIMIT_S)
    path = "/api/v1/namespaces/default/replicationcontrollers/rc"
    until(lambda: our_api.get(path)["status"].get("replicas") == 3, limit_s=LIMIT_S)
    our_kubectl("scale", "rc/rc", "--replicas=1")
    until(lambda: len(staying(our_api, "app=rc")) == 1, limit_s=LIMIT_S)


def test_the_pods_of_a_deployment_are_made_and_scheduled(our_api: Api, our_kubectl: Kubectl) -> None:
    our_kubectl.create(deployment("web", 2))
    until(lambda: len(scheduled(our_api, "app=web")) == 2, limit_s=LIMIT_S)
    (replica_set,) = our_api.get("/apis/apps/v1/namespaces/default/replicasets?labelSelector=app%3Dweb")["items"]
    assert replica_set["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_what_is_owned_goes_with_its_owner(our_api: Api, our_kubectl: Kubectl) -> None:
    our_kubectl.create(deployment("gone", 1))
    until(lambda: scheduled(our_api, "app=gone"), limit_s=LIMIT_S)
    our_kubectl("delete", "deployment", "gone", "--cascade=background")
    until(lambda: not staying(our_api, "app=gone"), limit_s=LIMIT_S)


def test_they_lead_by_leases_of_our_server(our_api: Api) -> None:
    for name in ("kube-scheduler", "kube-controller-manager"):
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}"
        until(lambda path=path: our_api.call("GET", path).status_code == 200, limit_s=LIMIT_S)
        assert our_api.get(path)["spec"]["holderIdentity"]


def test_a_node_has_its_share_of_the_addresses(our_api: Api, our_master: Mixed) -> None:
    until(lambda: our_api.get("/api/v1/nodes/paper")["spec"].get("podCIDR"), limit_s=LIMIT_S)
    assert our_api.get("/api/v1/nodes/paper")["spec"]["podCIDR"] == our_master.settings.pod_cidr


def test_a_namespace_is_emptied_and_goes(our_api: Api, our_kubectl: Kubectl) -> None:
    our_kubectl("create", "namespace", "short")
    path = "/api/v1/namespaces/short"
    until(lambda: our_api.is_there(f"{path}/serviceaccounts/default"), limit_s=LIMIT_S)
    our_kubectl("create", "configmap", "one", "--namespace=short")
    our_kubectl("delete", "namespace", "short", "--wait=false")
    until(lambda: not our_api.is_there(path), limit_s=LIMIT_S)
