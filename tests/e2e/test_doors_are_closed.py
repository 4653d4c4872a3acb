"""Without a certificate only four pages of the API answer, and nothing on the agent's port without one or a token."""

from __future__ import annotations

import pytest
import requests

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
def test_what_tells_nothing_is_open(path: str, api: Api) -> None:
    assert requests.get(api.server + path, verify=api.ca, timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/api", "/api/v1/pods", "/openapi/v3", "/metrics", "/apis", "/", "/api/v1/secrets"])
def test_all_else_wants_to_know_who_asks(path: str, api: Api) -> None:
    answer = requests.get(api.server + path, verify=api.ca, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["reason"] == "Unauthorized"


def test_the_agents_port_refuses_strangers(cluster: Cluster, api: Api, node_address: str, created: str) -> None:
    url = f"https://{node_address}:{cluster.agent_port}/pods"
    assert requests.get(url, verify=api.ca, timeout=10).status_code == 401
    assert requests.get(url, verify=api.ca, timeout=10, headers={"Authorization": "Bearer x"}).status_code == 401


def test_the_agents_port_serves_those_whom_the_api_allows_it(
    cluster: Cluster, api: Api, kubectl: Kubectl, node_address: str, namespace: str
) -> None:
    kubectl("create", "serviceaccount", "scraper", "-n", namespace)
    token = kubectl("create", "token", "scraper", "-n", namespace).strip()
    name, account = f"scraper-{namespace}", f"{namespace}:scraper"

    def asked(path: str) -> int:
        url = f"https://{node_address}:{cluster.agent_port}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(url, verify=api.ca, headers=headers, timeout=20).status_code

    assert asked("/stats/summary") == 403
    try:
        kubectl("create", "clusterrole", name, "--verb=get", "--resource=nodes/metrics")
        kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={account}")
        assert asked("/metrics") == asked("/metrics/cadvisor") == 200
        assert asked("/pods") == 403
    finally:
        kubectl("delete", "clusterrole,clusterrolebinding", name)


def test_the_agents_port_serves_the_admin(cluster: Cluster, api: Api, node_address: str, created: str) -> None:
    url = f"https://{node_address}:{cluster.agent_port}/healthz"
    assert requests.get(url, verify=api.ca, cert=api.certificate, timeout=10).status_code == 200


def test_a_component_may_do_only_its_work(cluster: Cluster, node: Object) -> None:
    dns = Api(_as(cluster, "dns"), cluster.folder)
    try:
        assert dns.call("GET", "/api/v1/services").status_code == 200
        assert dns.call("GET", "/api/v1/secrets").status_code == 403
        refused = dns.call("DELETE", f"/api/v1/nodes/{node['metadata']['name']}")
        assert (refused.status_code, refused.json()["reason"]) == (403, "Forbidden")
    finally:
        dns.close()


def test_keys_are_for_root_only(cluster: Cluster) -> None:
    config = cluster.root / "etc/steersman"
    for path in (*config.rglob("*.key"), *config.glob("*.kubeconfig")):
        assert path.stat().st_mode & 0o077 == 0, path


def _as(cluster: Cluster, user: str) -> Cluster:
    """The cluster as another of its users sees it."""

    class Seen(Cluster):
        @property
        def kubeconfig(self) -> object:  # type: ignore[override]
            return cluster.root / "etc/steersman" / f"{user}.kubeconfig"

    return Seen(cluster.slot, cluster.folder)
