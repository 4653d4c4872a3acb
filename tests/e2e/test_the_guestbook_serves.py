"""The main job: one file through kubectl, and a guestbook that visitors and pods can use."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.guestbook import Visitor
from tests.e2e.pods import FETCH, pod, shell
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster


def test_one_file_makes_three_controllers_and_three_services(created: str) -> None:
    names = ("redis-master", "redis-slave", "frontend")
    expected = [f"service/{name} created" for name in names]
    expected += [f"replicationcontroller/{name} created" for name in names]
    assert created.splitlines() == expected


def test_all_six_pods_run_and_are_ready(created: str, kubectl: Kubectl) -> None:
    rows = [line.split() for line in kubectl("get", "pods", "--no-headers").splitlines()]
    assert [row[1:4] for row in rows] == [["1/1", "Running", "0"]] * 6


def test_the_page_is_served_at_the_node_port(visitor: Visitor) -> None:
    page = visitor.get("/")
    assert page.status_code == 200
    assert "<title>Guestbook</title>" in page.text


def test_a_message_comes_back_from_a_slave(visitor: Visitor, api: Api, cluster: Cluster) -> None:
    message = f"hello-{uuid.uuid4().hex[:8]}"
    visitor.say("e2e", message)
    until(lambda: visitor.read("e2e") == message, limit_s=5, what="the message, replicated")
    slaves = api.ready_pods("name=redis-slave")
    for slave in slaves:
        until(lambda: cluster.execute(slave, "redis-cli", "get", "e2e").strip() == message, limit_s=5)  # noqa: B023
    assert "role:slave" in cluster.execute(slaves[0], "redis-cli", "info", "replication")


def test_fresh_connections_go_round_the_three_front_ends(visitor: Visitor, api: Api) -> None:
    names = {one["metadata"]["name"] for one in api.ready_pods("name=frontend")}
    assert visitor.servers(30) == dict.fromkeys(names, 10)


@pytest.fixture
def sticky(kubectl: Kubectl, created: str, cluster: Cluster, node_address: str) -> Iterator[Visitor]:
    """A second service of the front ends, which keeps a client on one of them."""
    port = cluster.slot.node_ports[1]
    spec = {
        "type": "NodePort",
        "sessionAffinity": "ClientIP",
        "selector": {"name": "frontend"},
        "ports": [{"port": 80, "nodePort": port}],
    }
    kubectl.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "sticky"}, "spec": spec})
    visitor = Visitor(f"http://{node_address}:{port}")
    until(visitor.is_served, limit_s=5, what="the service with affinity")
    yield visitor
    kubectl("delete", "service", "sticky")


def test_with_client_affinity_one_client_stays_on_one_pod(sticky: Visitor) -> None:
    assert list(sticky.servers(12).values()) == [12]


@pytest.fixture(scope="module")
def inside(created: str, kubectl: Kubectl, api: Api) -> Iterator[Object]:
    """A pod from which the services are looked at."""
    kubectl.create(pod("inside"))
    until(lambda: api.ready_pods("app=inside"), limit_s=15, what="the pod inside")
    yield api.pod("inside")
    kubectl("delete", "pod", "inside")


@pytest.mark.parametrize(
    "host",
    [
        "$FRONTEND_SERVICE_HOST:$FRONTEND_SERVICE_PORT",
        "frontend",
        "frontend.default",
        "frontend.default.svc.cluster.local",
        "CLUSTER_IP:80",
        "NODE:NODE_PORT",
    ],
)
def test_a_pod_reaches_the_service(host: str, inside: Object, cluster: Cluster, api: Api, node_address: str) -> None:
    address = api.get("/api/v1/namespaces/default/services/frontend")["spec"]["clusterIP"]
    host = host.replace("CLUSTER_IP", address)
    host = host.replace("NODE:NODE_PORT", f"{node_address}:{cluster.node_port}")
    said = cluster.execute(inside, *shell(f"{FETCH} -O - http://{host}/healthz"))
    assert said == "ok\n"


def test_a_pod_is_spread_over_the_front_ends_too(inside: Object, cluster: Cluster, api: Api) -> None:
    visit = f"for i in 1 2 3 4 5 6; do {FETCH} -S -O /dev/null http://frontend/healthz 2>&1; done"
    said = cluster.execute(inside, *shell(visit))
    served = [line.split(": ")[1] for line in said.splitlines() if "X-Served-By" in line]
    names = sorted(one["metadata"]["name"] for one in api.ready_pods("name=frontend"))
    assert sorted(served) == sorted(names * 2)


def test_a_pod_reaches_another_pod_at_its_own_address(inside: Object, cluster: Cluster, api: Api) -> None:
    for front in api.ready_pods("name=frontend"):
        said = cluster.execute(inside, *shell(f"{FETCH} -O - http://{front['status']['podIP']}/healthz"))
        assert said == "ok\n"


def test_a_front_end_reaches_its_own_service(cluster: Cluster, api: Api, created: str) -> None:
    (front, *_) = api.ready_pods("name=frontend")
    said = cluster.execute(front, *shell(f"for i in 1 2 3; do {FETCH} -O - http://frontend/healthz; done"))
    assert said == "ok\n" * 3
