"""As many pods as a node takes: all of them run, and the node stays well."""

from __future__ import annotations

import pytest

from tests.agent_faults.conftest import Site
from tests.e2e.doors import Object, is_ready, restarts
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.cluster, pytest.mark.long]
PODS = 110
LIMIT_S = 400.0  # on two cores that others use too


@pytest.mark.timeout(1200)
def test_a_node_with_110_pods_is_healthy(site: Site) -> None:
    site.start_agent()
    site.wait_node()
    for number in range(PODS):
        site.create(f"pod-{number}")
    site.wait_ready(PODS, limit_s=LIMIT_S)
    assert len({one["status"]["podIP"] for one in site.pods()}) == PODS
    lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{site.node}"
    first = site.api.get(lease)["spec"]["renewTime"]
    until(lambda: site.api.get(lease)["spec"]["renewTime"] != first, limit_s=30, what="the next heartbeat")
    (node,) = site.api.get("/api/v1/nodes")["items"]
    assert _conditions(node) == {"Ready"}
    assert [restarts(one) for one in site.pods() if is_ready(one)] == [0] * PODS
    for number in range(PODS):
        site.delete(f"pod-{number}")
    site.wait_gone(limit_s=LIMIT_S)
    until(lambda: site.containers() == [], limit_s=30, what="no containers")


def _conditions(node: Object) -> set[str]:
    """Those that are true."""
    return {one["type"] for one in node["status"]["conditions"] if one["status"] == "True"}
