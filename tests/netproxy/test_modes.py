"""Service addresses on a node: what all modes, with each iptables, have in common."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from netproxy.services import EXTERNAL, Protocol
from tests.e2e.waiting import until
from tests.netproxy.networks import CLIENT_IP, GATEWAY_IP, NODE_IP, POD_IP
from tests.netproxy.nodes import CLUSTER_IP, KERNEL, WAYS, Node, ask_from
from tests.netproxy.servers import LIMIT_S, Server, port

pytestmark = pytest.mark.netns


def local_addresses(node: Node) -> tuple[str, ...]:
    """Where a node port answers on the node itself; the kernel does not translate what loopback sends to itself."""
    return (NODE_IP, GATEWAY_IP) if node.way == KERNEL else ("127.0.0.1", NODE_IP, GATEWAY_IP)


def exchange(sock: socket.socket) -> bytes:
    sock.send(b"?")
    return sock.recv(10)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How the services are led to their pods."""
    return str(request.param)


def test_the_cluster_address_works_from_the_node_a_pod_and_outside(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, pods(b"b").endpoint))
    for namespace in (node.place.node, node.place.pod, node.place.client):
        assert [ask_from(namespace, CLUSTER_IP, 80) for _ in range(2)] == [b"a", b"b"]


def test_the_node_port_works_on_every_address_of_the_node(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    assert ask_from(node.place.client, NODE_IP, 30080) == b"a"
    assert ask_from(node.place.pod, GATEWAY_IP, 30080) == b"a"
    assert ask_from(node.place.pod, NODE_IP, 30080) == b"a"
    for address in local_addresses(node):
        assert ask_from(node.place.node, address, 30080) == b"a"


def test_external_addresses_are_served(node: Node, pods: Callable[[bytes], Server]) -> None:
    balanced = replace(port(pods(b"a").endpoint, external_ips=("203.0.113.7",)), load_balancer_ips=("203.0.113.8",))
    node.serve(balanced)
    # A host that knows no way there does not get as far as the rules: hosts have a way to everywhere.
    node.place.node.run("ip", "route", "add", "default", "via", CLIENT_IP)
    for namespace in (node.place.client, node.place.pod, node.place.node):
        for address in ("203.0.113.7", "203.0.113.8"):
            assert ask_from(namespace, address, 80) == b"a"


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
            # What the node itself sends is turned away before it leaves: the kernel then says "not permitted".
            with pytest.raises((ConnectionRefusedError, PermissionError)):
                exchange(sock)


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
        asked += [(node.place.node, address, 30053) for address in local_addresses(node)]
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


def test_a_new_proxy_adopts_the_rules_of_one_that_was_killed(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = port(pods(b"a").endpoint, node_port=30080)
    node.serve(wanted)
    rules = node.rules()
    node.mode.stop()
    after = Node(node.place, node.way)
    try:
        after.serve(wanted)
        assert ask_from(node.place.client, CLUSTER_IP, 80) == b"a"
        assert len(node.rules().splitlines()) == len(rules.splitlines())
    finally:
        after.mode.stop()


def test_clients_stay_with_their_endpoint_and_endpoints_see_the_node(
    node: Node, pods: Callable[[bytes], Server]
) -> None:
    first, second = pods(b"a"), pods(b"b")
    node.serve(port(first.endpoint, second.endpoint, affinity_s=60))
    assert {ask_from(node.place.client, CLUSTER_IP, 80) for _ in range(3)} == {b"a"}
    assert {ask_from(node.place.pod, CLUSTER_IP, 80) for _ in range(3)} == {b"b"}
    until(lambda: {peer[0] for peer in first.peers} == {GATEWAY_IP})
    assert CLIENT_IP not in {peer[0] for peer in second.peers}


def test_a_client_is_led_elsewhere_when_its_endpoint_is_gone(node: Node, pods: Callable[[bytes], Server]) -> None:
    first, second = pods(b"a"), pods(b"b")
    both = port(first.endpoint, second.endpoint, affinity_s=60)
    node.serve(both)
    assert {ask_from(node.place.client, CLUSTER_IP, 80) for _ in range(3)} == {b"a"}
    node.serve(replace(both, endpoints=(second.endpoint,)))
    assert {ask_from(node.place.client, CLUSTER_IP, 80) for _ in range(3)} == {b"b"}
    node.serve(both)
    assert {ask_from(node.place.client, CLUSTER_IP, 80) for _ in range(3)} == {b"b"}


def test_an_affinity_ends_after_its_time(node: Node, pods: Callable[[bytes], Server]) -> None:
    node.serve(port(pods(b"a").endpoint, pods(b"b").endpoint, affinity_s=1))
    ask_from(node.place.client, CLUSTER_IP, 80)
    time.sleep(1.5)
    assert ask_from(node.place.client, CLUSTER_IP, 80) == b"b"


def test_the_load_balancers_address_lets_in_whom_it_is_for(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = replace(port(pods(b"a").endpoint), load_balancer_ips=("203.0.113.8",), source_ranges=("192.0.2.0/24",))
    node.place.node.run("ip", "route", "add", "default", "via", CLIENT_IP)
    node.serve(wanted)
    assert ask_from(node.place.client, "203.0.113.8", 80) == b"a"
    with pytest.raises(ConnectionRefusedError):
        ask_from(node.place.pod, "203.0.113.8", 80)
    assert ask_from(node.place.pod, CLUSTER_IP, 80) == b"a"


def test_near_clients_reach_all_endpoints_and_others_those_of_the_node(
    node: Node, pods: Callable[[bytes], Server]
) -> None:
    inside = port(pods(b"far").endpoint)
    outside = replace(
        port(pods(b"here").endpoint, node_port=30080),
        name=inside.name._replace(scope=EXTERNAL),
        cluster_ip="",
        near=inside.name,
        load_balancer_ips=("203.0.113.8",),
    )
    pod_cidrs = ("10.244.9.0/24",)
    node.place.node.run("ip", "route", "add", "default", "via", CLIENT_IP)
    node.serve(inside, outside, pod_cidrs=pod_cidrs)
    for address, number in ((NODE_IP, 30080), ("203.0.113.8", 80)):
        assert ask_from(node.place.client, address, number) == b"here"
        assert ask_from(node.place.pod, address, number) == b"far"
        assert ask_from(node.place.node, address, number) == b"far"
    node.serve(inside, replace(outside, endpoints=()), pod_cidrs=pod_cidrs)
    for address, number in ((NODE_IP, 30080), ("203.0.113.8", 80)):
        with pytest.raises(ConnectionRefusedError):
            ask_from(node.place.client, address, number)
        assert ask_from(node.place.pod, address, number) == b"far"


def test_services_come_and_go_beside_others(node: Node, pods: Callable[[bytes], Server]) -> None:
    kept = port(pods(b"kept").endpoint, node_port=30080)
    other = port(pods(b"other").endpoint, service="other", cluster_ip="10.99.0.11", node_port=30081, affinity_s=9)
    node.serve(kept)
    before = node.rules()
    node.serve(kept, other)
    assert ask_from(node.place.client, "10.99.0.11", 80) == ask_from(node.place.client, NODE_IP, 30081) == b"other"
    assert not node.check()
    node.serve(kept)
    with pytest.raises(ConnectionRefusedError):
        ask_from(node.place.pod, "10.99.0.11", 80)
    assert ask_from(node.place.client, NODE_IP, 30080) == b"kept"
    assert not node.check()
    assert sorted(node.rules().splitlines()) == sorted(before.splitlines())


def test_udp_clients_leave_an_endpoint_that_is_gone(node: Node) -> None:
    with contextlib.ExitStack() as stack:
        servers = []
        for _ in range(2):
            with node.place.pod.inside():
                servers.append(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            servers[-1].bind((POD_IP, 0))
            servers[-1].settimeout(LIMIT_S)
        with node.place.client.inside():
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        first, second = (server.getsockname() for server in servers)
        node.serve(port(first, protocol=Protocol.UDP))
        client.connect((CLUSTER_IP, 80))
        client.send(b"one")
        assert servers[0].recv(100) == b"one"
        node.serve(port(second, protocol=Protocol.UDP))
        client.send(b"two")
        assert servers[1].recv(100) == b"two"


def test_everything_is_removed_whichever_mode_comes_after(node: Node, pods: Callable[[bytes], Server]) -> None:
    before = node.rules()
    node.serve(port(pods(b"a").endpoint, node_port=30080))
    node.mode.stop()
    for way in WAYS:
        if way != node.way:
            other = Node(node.place, way)
            other.serve(port(pods(b"b").endpoint, node_port=30080))
            assert ask_from(node.place.client, CLUSTER_IP, 80) == ask_from(node.place.client, NODE_IP, 30080) == b"b"
            other.mode.stop()
            other.cleanup()
    assert without_tables(node.rules()) == without_tables(before)


def without_tables(rules: str) -> str:
    """Rules of ours; the tables that iptables makes for itself are left out, it keeps them when they are empty."""
    return "".join(sorted(line for line in rules.splitlines() if "STT" in line or "stt" in line))
