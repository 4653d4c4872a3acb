"""Service addresses on a node, with real iptables in network namespaces."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from netproxy.portals.iptables import Portals
from netproxy.portals.portal import portals
from netproxy.portals.rules import Layout, build
from netproxy.services import Protocol, ServicePort
from tests.netproxy.networks import CLIENT_IP, GATEWAY_IP, NODE_IP, POD_IP, Namespace, Site, site
from tests.netproxy.servers import LIMIT_S, Server, naming, port, read_all, wait_until

pytestmark = pytest.mark.netns

CIDR = "10.99.0.0/16"
CLUSTER_IP = "10.99.0.10"


class Node:
    """A data plane and portals in a node's namespace."""

    def __init__(self, place: Site) -> None:
        self.place = place
        with place.node.inside():
            self.plane = DataPlane(UdpTimers(unanswered_s=2.0, idle_s=0.5))
            self.plane.start()
        self.portals = Portals(prefix="STT", cluster_cidr=CIDR)

    def serve(self, *wanted: ServicePort) -> bool:
        """Make this the wanted state; whether rules were written."""
        state = {p.name: p for p in wanted}
        with self.place.node.inside():
            done = self.plane.apply(state)
            refuse = self.plane.refuse_port
            shown = portals(state, done.proxy_ports, done.held_node_ports, refuse)
            layout = Layout(prefix="STT", cluster_cidr=CIDR, refuse_port=refuse)
            return self.portals.apply(build(shown, layout))

    def rules(self) -> str:
        """What iptables-save shows, without its counters and dates."""
        return re.sub(r"\[\d+:\d+\]|^#.*\n", "", self.place.node.run("iptables-save"), flags=re.MULTILINE)


@pytest.fixture
def place() -> Iterator[Site]:
    with site() as made:
        yield made


@pytest.fixture
def node(place: Site) -> Iterator[Node]:
    node = Node(place)
    yield node
    node.plane.stop()
    assert node.plane.faults == 0


@pytest.fixture
def pods(place: Site) -> Iterator[Callable[[bytes], Server]]:
    """Starts servers in the pod's namespace that say their names."""
    servers: list[Server] = []

    def start(name: bytes) -> Server:
        with place.pod.inside():
            servers.append(Server(naming(name), POD_IP))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def routes_of(node: Node) -> str:
    """The routes, whether or not the cables are seen to be plugged in yet."""
    return node.place.node.run("ip", "route").replace(" linkdown", "")


def ask_from(namespace: Namespace, address: str, number: int) -> bytes:
    """What the server at this address says to a client in this namespace."""
    with namespace.inside(), socket.create_connection((address, number), timeout=LIMIT_S) as sock:
        return read_all(sock)


def test_the_cluster_address_works_from_the_node_a_pod_and_outside(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, pods(b"b").endpoint))
    for namespace in (node.place.node, node.place.pod, node.place.client):
        assert [ask_from(namespace, CLUSTER_IP, 80) for _ in range(2)] == [b"a", b"b"]


def test_the_node_port_works_on_every_address_of_the_node(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    assert ask_from(node.place.client, NODE_IP, 30080) == b"a"
    assert ask_from(node.place.pod, GATEWAY_IP, 30080) == b"a"
    assert ask_from(node.place.pod, NODE_IP, 30080) == b"a"
    for address in ("127.0.0.1", NODE_IP, GATEWAY_IP):
        assert ask_from(node.place.node, address, 30080) == b"a"


def test_the_node_port_is_redirected_to_the_proxy_port(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    ask_from(node.place.client, NODE_IP, 30080)
    counted = node.place.node.run("iptables", "-t", "nat", "-vxnL", "STT-NODEPORT")
    assert re.search(r"^\s+1\s+\d+ REDIRECT .*dpt:30080", counted, re.MULTILINE)


def test_the_node_port_serves_without_rules_too(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    with node.place.node.inside():
        node.portals.cleanup()
    assert ask_from(node.place.client, NODE_IP, 30080) == b"a"


def test_external_addresses_are_served(node: Node, pods: Callable[[bytes], Server]) -> None:
    balanced = replace(port(pods(b"a").endpoint, external_ips=("203.0.113.7",)), load_balancer_ips=("203.0.113.8",))
    node.serve(balanced)
    assert ask_from(node.place.client, "203.0.113.7", 80) == b"a"
    assert ask_from(node.place.client, "203.0.113.8", 80) == b"a"


def test_a_cluster_address_outside_the_range_is_served_to_pods(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, cluster_ip="10.98.0.10"))
    assert ask_from(node.place.pod, "10.98.0.10", 80) == b"a"


@pytest.mark.parametrize("number", [80, 81])
def test_without_endpoints_or_service_a_connection_is_refused(node: Node, number: int) -> None:
    node.serve(port(node_port=30080))
    for namespace in (node.place.node, node.place.pod, node.place.client):
        with pytest.raises(ConnectionRefusedError):
            ask_from(namespace, CLUSTER_IP, number)
    with pytest.raises(ConnectionRefusedError):
        ask_from(node.place.client, NODE_IP, 30080)


def test_udp_without_endpoints_is_refused(node: Node) -> None:
    node.serve(port(protocol=Protocol.UDP))
    for namespace in (node.place.node, node.place.pod):
        with namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(LIMIT_S)
            sock.connect((CLUSTER_IP, 80))
            sock.send(b"?")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(10)


def test_udp_answers_come_from_the_address_that_was_asked(node: Node) -> None:
    with node.place.pod.inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server:
        server.bind((POD_IP, 0))
        server.settimeout(LIMIT_S)
        node.serve(port(server.getsockname(), protocol=Protocol.UDP, node_port=30053))
        asked = [
            (node.place.node, CLUSTER_IP, 80),
            (node.place.pod, CLUSTER_IP, 80),
            (node.place.client, CLUSTER_IP, 80),
        ]
        asked += [(node.place.node, address, 30053) for address in ("127.0.0.1", NODE_IP, GATEWAY_IP)]
        asked += [(node.place.client, NODE_IP, 30053), (node.place.pod, NODE_IP, 30053)]
        for namespace, address, number in asked:
            with namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(LIMIT_S)
                client.connect((address, number))
                client.send(b"ping")
                data, proxy = server.recvfrom(100)
                server.sendto(data + b"!", proxy)
                assert client.recv(100) == b"ping!"


def test_the_same_state_is_not_written_twice(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = port(pods(b"a").endpoint)
    assert node.serve(wanted)
    assert not node.serve(wanted)
    assert node.serve(replace(wanted, node_port=30080))


def test_endpoints_that_move_need_no_new_rules(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = port(pods(b"a").endpoint)
    node.serve(wanted)
    assert not node.serve(replace(wanted, endpoints=(pods(b"b").endpoint,)))
    assert ask_from(node.place.pod, CLUSTER_IP, 80) == b"b"


@pytest.mark.parametrize(
    "damage",
    [
        ("iptables", "-t", "nat", "-F"),
        ("iptables", "-t", "nat", "-D", "PREROUTING", "-j", "STT-PREROUTING"),
        ("iptables", "-t", "nat", "-F", "STT-CLUSTER"),
        ("iptables", "-t", "nat", "-I", "STT-NODEPORT", "1", "-j", "RETURN"),
        ("ip", "route", "del", CIDR),
    ],
    ids=["all rules", "a jump", "a chain", "a rule added", "the route"],
)
def test_what_someone_removed_comes_back(node: Node, pods: Callable[[bytes], Server], damage: tuple[str, ...]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    before = node.rules()
    node.place.node.run(*damage)
    with node.place.node.inside():
        assert node.portals.check()
        assert not node.portals.check()
    assert sorted(node.rules().splitlines()) == sorted(before.splitlines())
    assert ask_from(node.place.node, CLUSTER_IP, 80) == b"a"


def test_cleanup_leaves_the_rules_of_others_as_they_were(node: Node, pods: Callable[[bytes], Server]) -> None:
    others = """*nat
:DOCKER - [0:0]
:STT-OTHER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A STT-OTHER -j RETURN
COMMIT
*filter
:ufw-user-input - [0:0]
-A INPUT -j ufw-user-input
-A FORWARD -p icmp -j ACCEPT
COMMIT
"""
    node.place.node.run("iptables-restore", text=others)
    routes = routes_of(node)
    before = node.rules()
    node.serve(port(pods(b"a").endpoint, node_port=30080, external_ips=("203.0.113.7",)))
    assert "STT-CLUSTER" in node.rules()
    with node.place.node.inside():
        removed = node.portals.cleanup()
        assert node.portals.cleanup() == []
    assert node.rules() == before
    assert routes_of(node) == routes
    assert removed == [f"chain STT-{part}" for part in ("CLUSTER", "EXTERNAL", "NODEPORT", "OUTPUT", "PREROUTING")] + [
        f"route {CIDR}"
    ]


def test_a_new_proxy_adopts_the_rules_of_one_that_was_killed(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = port(pods(b"a").endpoint, node_port=30080)
    node.serve(wanted)
    node.plane.stop()
    after = Node(node.place)
    try:
        after.serve(wanted)
        assert ask_from(node.place.client, CLUSTER_IP, 80) == b"a"
        assert node.rules().count("-j STT-PREROUTING") == 1
    finally:
        after.plane.stop()


def test_the_servers_see_the_node_and_the_balancer_the_client(node: Node, pods: Callable[[bytes], Server]) -> None:
    first, second = pods(b"a"), pods(b"b")
    node.serve(port(first.endpoint, second.endpoint, affinity_s=60))
    assert {ask_from(node.place.client, CLUSTER_IP, 80) for _ in range(3)} == {b"a"}
    assert {ask_from(node.place.pod, CLUSTER_IP, 80) for _ in range(3)} == {b"b"}
    wait_until(lambda: {peer[0] for peer in first.peers} == {GATEWAY_IP})
    assert CLIENT_IP not in {peer[0] for peer in second.peers}
