"""The rules of iptables that lead to the userspace data plane, in both flavours."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.e2e.waiting import until
from tests.netproxy.networks import CLIENT_IP, NODE_IP, POD_IP
from tests.netproxy.nodes import CIDR, CLUSTER_IP, IPTABLES, LEGACY, Node, ask_from
from tests.netproxy.servers import LIMIT_S, Server, port, read_all

pytestmark = pytest.mark.netns


def command(node: Node) -> str:
    """The iptables that the node's rules are written with."""
    return "iptables-legacy" if node.way == LEGACY else "iptables-nft"


@pytest.fixture(params=[IPTABLES, LEGACY])
def way(request: pytest.FixtureRequest) -> str:
    """How the services are led to their pods."""
    return str(request.param)


def test_the_node_port_is_redirected_to_the_proxy_port(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    ask_from(node.place.client, NODE_IP, 30080)
    counted = node.place.node.run(command(node), "-t", "nat", "-vxnL", "STT-NODEPORT")
    assert re.search(r"^\s+1\s+\d+ REDIRECT .*dpt:30080", counted, re.MULTILINE)


def test_the_node_port_serves_without_rules_too(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    node.cleanup()
    assert ask_from(node.place.client, NODE_IP, 30080) == b"a"


def test_endpoints_that_move_need_no_new_rules(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = port(pods(b"a").endpoint)
    node.serve(wanted)
    assert not node.serve(replace(wanted, endpoints=(pods(b"b").endpoint,)))
    assert ask_from(node.place.pod, CLUSTER_IP, 80) == b"b"


def test_endpoints_that_no_way_leads_to_are_skipped_unnoticed(node: Node, pods: Callable[[bytes], Server]) -> None:
    ways = ("unreachable", "prohibit", "blackhole", "throw")  # each is another error of connect(2)
    for number, kind in enumerate(ways):
        node.place.node.run("ip", "route", "add", kind, f"10.66.0.{number}")
    nowhere = [(f"10.66.0.{number}", 80) for number in range(len(ways))]
    node.serve(port(*nowhere, pods(b"a").endpoint))
    for namespace in (node.place.client, node.place.pod, node.place.node):
        assert {ask_from(namespace, CLUSTER_IP, 80) for _ in range(5)} == {b"a"}


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
    node.place.node.run(*(command(node) if word == "iptables" else word for word in damage))
    assert node.check()
    assert not node.check()
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
    node.place.node.run(f"{command(node)}-restore", text=others)
    routes = node.routes()
    before = node.rules()
    node.serve(port(pods(b"a").endpoint, node_port=30080, external_ips=("203.0.113.7",)))
    assert "STT-CLUSTER" in node.rules()
    removed = node.cleanup()
    assert node.cleanup() == []
    assert node.rules() == before
    assert node.routes() == routes
    assert removed == [f"chain STT-{part}" for part in ("CLUSTER", "EXTERNAL", "NODEPORT", "OUTPUT", "PREROUTING")] + [
        "set STT-CLUSTER",
        f"route {CIDR}",
    ]


def test_endpoints_are_told_their_clients_by_the_proxy_protocol(node: Node, pods: Callable[[bytes], Server]) -> None:
    """The first endpoint refuses: the header goes to the next one whole."""
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(read_all(connection))

    with node.place.pod.inside():
        pod = Server(listen, POD_IP)
        closed = (POD_IP, 9)
    try:
        wanted = replace(port(closed, pod.endpoint, node_port=30080), proxy_protocol=True)
        node.serve(wanted)
        for number, (address, asked) in enumerate(((NODE_IP, 30080), (CLUSTER_IP, 80)), 1):
            with node.place.client.inside(), socket.create_connection((address, asked), timeout=LIMIT_S) as sock:
                own_port = sock.getsockname()[1]
                sock.sendall(b"hello")
                sock.shutdown(socket.SHUT_WR)
                until(lambda: len(heard) == number)  # noqa: B023 (it is waited for here)
            addresses = socket.inet_aton(CLIENT_IP) + socket.inet_aton(address)
            ports = own_port.to_bytes(2, "big") + asked.to_bytes(2, "big")
            assert heard[-1] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + addresses + ports + b"hello"
    finally:
        pod.close()
