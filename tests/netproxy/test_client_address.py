"""In the userspace mode a pod sees its client, when the client is outside and the pod on this node."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from netproxy.services import Protocol, ServicePort
from netproxy.traces import seen
from tests.e2e.waiting import until
from tests.netproxy.networks import CLIENT_IP, GATEWAY_IP, NODE_IP, POD_IP, Namespace
from tests.netproxy.nodes import CLUSTER_IP, IPTABLES, LEGACY, Node, ask_from
from tests.netproxy.servers import LIMIT_S, Server, port

pytestmark = pytest.mark.netns

PODS = "10.244.9.0/24"


@pytest.fixture(params=[IPTABLES, LEGACY])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def served(node: Node, pod: Server) -> ServicePort:
    """A service of this pod, which is known to be of this node."""
    wanted = port(pod.endpoint, node_port=30080)
    node.serve(wanted, pod_cidrs=(PODS,))
    return wanted


def who_asked(pod: Server, client: Namespace, address: str, number: int) -> str:
    """The address that the pod sees when it is asked so."""
    before = len(pod.peers)
    assert ask_from(client, address, number) == b"a"
    until(lambda: len(pod.peers) == before + 1)
    return pod.peers[-1][0]


def test_pods_see_clients_outside(node: Node, pods: Callable[[bytes], Server]) -> None:
    pod = pods(b"a")
    served(node, pod)
    assert who_asked(pod, node.place.client, NODE_IP, 30080) == CLIENT_IP
    assert who_asked(pod, node.place.client, CLUSTER_IP, 80) == CLIENT_IP


def test_for_the_node_and_its_pods_the_node_asks(node: Node, pods: Callable[[bytes], Server]) -> None:
    pod = pods(b"a")
    served(node, pod)
    for client, address, number in (
        (node.place.node, "127.0.0.1", 30080),
        (node.place.node, NODE_IP, 30080),
        (node.place.node, CLUSTER_IP, 80),
        (node.place.pod, CLUSTER_IP, 80),
    ):
        assert who_asked(pod, client, address, number) == GATEWAY_IP


def test_datagrams_carry_the_clients_address(node: Node) -> None:
    with node.place.pod.inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server:
        server.bind((POD_IP, 0))
        server.settimeout(LIMIT_S)
        node.serve(port(server.getsockname(), protocol=Protocol.UDP, node_port=30053), pod_cidrs=(PODS,))
        with node.place.client.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(LIMIT_S)
            client.connect((NODE_IP, 30053))
            client.send(b"ping")
            data, seen_address = server.recvfrom(100)
            assert (data, seen_address[0]) == (b"ping", CLIENT_IP)
            server.sendto(b"pong", seen_address)
            assert client.recv(100) == b"pong"


def test_without_the_way_back_the_node_asks_until_it_is_laid_again(node: Node, pods: Callable[[bytes], Server]) -> None:
    pod = pods(b"a")
    served(node, pod)
    for damage in (f"{_command(node)} -t mangle -F STT-RETURNS", f"ip rule del priority {_table(node)}"):
        node.place.node.run(*damage.split())
        assert ask_from(node.place.client, NODE_IP, 30080) == b"a"
        assert pod.peers[-1][0] == GATEWAY_IP
        assert node.check()
        assert not node.check()
        assert who_asked(pod, node.place.client, NODE_IP, 30080) == CLIENT_IP


def test_cleanup_leaves_nothing_of_it(node: Node, pods: Callable[[bytes], Server]) -> None:
    before = _routing(node)
    served(node, pods(b"a"))
    with node.place.node.inside():
        assert {"chain STT-RETURNS", f"routing rule {_table(node)}"} <= set(seen(node.config))
        assert "chain STT-RETURNS" in node.cleanup()
        assert seen(node.config) == []
    assert "RETURNS" not in node.rules()
    assert _routing(node) == before


def test_cleanup_takes_the_table_too_unless_others_use_it(node: Node, pods: Callable[[bytes], Server]) -> None:
    pod = pods(b"a")
    for theirs in ((), ("-A", "INPUT", "-j", "MARK", "--set-mark", "1")):
        served(node, pod)
        if theirs:
            node.place.node.run(_command(node), "-t", "mangle", *theirs)
        with node.place.node.inside():
            node.cleanup()
        left = node.place.node.run("nft", "list", "tables")
        assert ("table ip mangle" in left) == bool(theirs and node.way != LEGACY)
        assert ("--set-xmark 0x1" in node.place.node.run(f"{_command(node)}-save", "-t", "mangle")) == bool(theirs)


def _command(node: Node) -> str:
    return "iptables-legacy" if node.way == LEGACY else "iptables-nft"


def _table(node: Node) -> str:
    """The number of our routing table, as the rules tell it."""
    line = next(line for line in node.place.node.run("ip", "rule").splitlines() if "0x2000000" in line)
    return line.partition(":")[0]


def _routing(node: Node) -> str:
    """All rules and routes, whether or not the cables are seen to be plugged in yet."""
    routes = node.place.node.run("ip", "-4", "route", "show", "table", "all")
    return node.place.node.run("ip", "rule") + routes.replace(" linkdown", "")
