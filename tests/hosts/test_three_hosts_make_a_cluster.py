"""Three whole hosts, each with a Docker daemon, an agent, a netproxy and a name server of its own; one has the master.

Two are on one segment, the third is behind a router.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import guestbook as book
from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Kubectl
from tests.e2e.pods import FETCH
from tests.e2e.private_docker import PrivateDocker
from tests.e2e.waiting import seconds_until, until
from tests.hosts.members import Member
from tests.hosts.namespaces import BALANCER, Host, Hosts, make_hosts

pytestmark = [pytest.mark.cluster, pytest.mark.long]

_LIMIT_S = 60.0


@dataclass
class Three:
    """The hosts and the cluster on them."""

    hosts: Hosts
    cluster: Cluster
    members: list[Member]
    dockers: dict[str, PrivateDocker]

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.cluster, self.cluster.folder)

    def node(self, host: Host) -> str:
        return f"node-{self.cluster.slot.number}" if host is self.hosts.near else host.node

    def pods(self) -> dict[str, Any]:
        """Node to its pod."""
        found = self.kubectl.json("get", "pods", "-l", "app=who")["items"]
        return {pod["spec"]["nodeName"]: pod for pod in found}

    def ready_nodes(self) -> list[str]:
        rows = self.kubectl.try_it("get", "nodes", "--no-headers").stdout.splitlines()
        return sorted(row.split()[0] for row in rows if row.split()[1] == "Ready")

    def fetch(self, host: Host, url: str, limit_s: int = 2) -> str:
        """What a host gets from an address; empty when nothing."""
        return host("curl", "-sf", "--noproxy", "*", "--max-time", str(limit_s), url, check=False).strip()

    def in_pod(self, host: Host, *command: str) -> str:
        pod = self.pods()[self.node(host)]
        docker = ("docker", "-H", self.dockers[host.name].host)
        return host(*docker, "exec", self.cluster.container(pod), *command, check=False).strip()

    def served(self, host: Host, address: str) -> set[str]:
        """Which pods answer at a node port, by their names."""
        url = f"http://{address}:{self.cluster.node_port}/"
        return {self.fetch(host, url) for _ in range(6)} - {""}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    book.build_images()
    hosts = make_hosts(pods=False)
    slot = free_slot(os.getpid() + 7)
    dockers = {host.name: PrivateDocker(host.name, tmp_path_factory.mktemp(host.name)) for host in hosts.all}
    near = hosts.near
    flags = (
        f"--advertise-address={near.address}", f"--pod-cidr=10.{152 + slot.number % 40}.0.0/16",
        f"--load-balancer-pool={BALANCER}",
    )  # fmt: skip
    cluster = Cluster(
        slot, tmp_path_factory.mktemp("three"), prefix=near.prefix, docker_host=dockers[near.name].host,
        keep_images=False, settings=flags,
    )  # fmt: skip
    members: list[Member] = []
    made = Three(hosts, cluster, members, dockers)
    try:
        for docker in dockers.values():
            docker.start()
            docker.load([book.TEST_IMAGE])
        cluster.up()
        for host in (hosts.beside, hosts.far):
            server = f"https://{hosts.near.address}:{cluster.apiserver_port}"
            member = Member(cluster, server, host, dockers[host.name], tmp_path_factory.mktemp("member"))
            members.append(member)
            member.start()
        until(lambda: len(made.ready_nodes()) == 3, limit_s=_LIMIT_S, what="three ready nodes")
        yield made
    finally:
        for member in members:
            member.stop()
        try:
            cluster.remove()
        finally:
            for docker in dockers.values():
                docker.remove()
            hosts.remove()


@pytest.fixture(scope="module")
def serving(three: Three) -> Three:
    """A pod on each host that tells its name, and a service with a node port before them."""
    command = "mkdir /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www"
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"who-{host.number}", "labels": {"app": "who"}},
            "spec": {
                "nodeName": three.node(host), "terminationGracePeriodSeconds": 0,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "who", "image": book.TEST_IMAGE, "command": ["sh", "-c", command],
                                "imagePullPolicy": "Never"}],
            },
        }
        for host in three.hosts.all
    ]  # fmt: skip
    port = {"port": 80, "nodePort": three.cluster.node_port}
    spec = {"type": "NodePort", "selector": {"app": "who"}, "ports": [port]}
    objects.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "who"}, "spec": spec})
    three.kubectl.create(*objects)
    three.kubectl("wait", "--for=condition=Ready", "pods", "-l", "app=who", "--timeout=60s", limit_s=90)
    return three


def test_pods_reach_pods_on_other_hosts_by_address(serving: Three) -> None:
    for one in serving.hosts.all:
        for other in serving.hosts.all:
            url = f"http://{serving.pods()[serving.node(other)]['status']['podIP']}/"
            said = until(lambda one=one, url=url: serving.in_pod(one, *FETCH.split(), "-O-", url), limit_s=_LIMIT_S)
            assert said == f"who-{other.number}"


def test_a_node_port_on_any_host_serves_the_pods_of_all(serving: Three) -> None:
    everybody = {"who-1", "who-2", "who-3"}
    for one in serving.hosts.all:
        for other in serving.hosts.all:
            until(
                lambda one=one, other=other: serving.served(one, other.address) == everybody,
                limit_s=_LIMIT_S,
                what=f"all pods from {one.address} at {other.address}",
            )


def test_a_service_is_found_by_name_from_pods_on_every_host(serving: Three) -> None:
    for host in serving.hosts.all:
        said = until(
            lambda host=host: serving.in_pod(host, *FETCH.split(), "-O-", "http://who.default.svc.cluster.local/"),
            limit_s=_LIMIT_S,
        )
        assert said in {"who-1", "who-2", "who-3"}


def test_one_host_of_its_segment_answers_for_a_balancers_address(serving: Three) -> None:
    spec = {"type": "LoadBalancer", "selector": {"app": "who"}, "ports": [{"port": 80}]}
    serving.kubectl.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "door"}, "spec": spec})
    hosts = serving.hosts
    client = ("curl", "-sf", "--noproxy", "*", "--max-time", "2", f"http://{BALANCER}/")
    until(lambda: hosts.router(*client, check=False).strip().startswith("who-"), limit_s=_LIMIT_S, what="an answer")
    having = [host for host in hosts.all if f" {BALANCER}/32 " in host("ip", "-o", "address")]
    assert len(having) == 1
    assert hosts.far not in having, "it is on another segment"
    serving.kubectl("delete", "service", "door")
    until(lambda: f" {BALANCER}/32 " not in having[0]("ip", "-o", "address"), limit_s=_LIMIT_S, what="it goes")


def test_logs_of_a_pod_on_another_host_are_shown(serving: Three) -> None:
    assert serving.kubectl.try_it("logs", "who-3").returncode == 0


def test_a_host_cut_off_and_returned_heals(serving: Three, figures: dict[str, str]) -> None:
    hosts = serving.hosts
    everybody = {"who-1", "who-2", "who-3"}
    hosts.router("ip", "link", "set", f"port{hosts.far.number}", "down")
    node = serving.node(hosts.far)
    until(lambda: node not in serving.ready_nodes(), limit_s=120, what="the node is missed")
    until(lambda: serving.served(hosts.near, hosts.near.address) == {"who-1", "who-2"}, limit_s=_LIMIT_S)
    # Beyond the cut everything goes on with what is known.
    assert serving.fetch(hosts.far, f"http://{serving.pods()[node]['status']['podIP']}/") == "who-3"
    hosts.router("ip", "link", "set", f"port{hosts.far.number}", "up")

    def healed() -> bool:
        served = all(serving.served(one, one.address) == everybody for one in hosts.all)
        return served and len(serving.ready_nodes()) == 3

    took = seconds_until(healed, limit_s=_LIMIT_S, what="all pods at all hosts")
    figures["a host cut off and returned: link until all serve"] = f"{took:.1f} s"


def test_a_removed_host_leaves_no_stale_route(serving: Three) -> None:
    hosts = serving.hosts
    (member,) = [one for one in serving.members if one.host is hosts.far]
    cidr = serving.kubectl.json("get", "node", serving.node(hosts.far))["spec"]["podCIDR"]
    assert cidr in hosts.near("ip", "route")
    member.stop()
    serving.kubectl("delete", "node", serving.node(hosts.far))

    def gone() -> bool:
        return not any(cidr in one("ip", "route") for one in (hosts.near, hosts.beside))

    until(gone, limit_s=_LIMIT_S, what=f"no route to {cidr}")
    assert not hosts.near("ip", "-o", "link", "show", "type", "vxlan")


def test_uninstall_leaves_no_way_behind(serving: Three) -> None:
    said = serving.cluster.uninstall()
    assert "route " in said
    assert serving.hosts.near.ours() == []
