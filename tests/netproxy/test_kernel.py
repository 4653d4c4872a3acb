"""What is special to the mode nftables: the table as text, its repair, the client's address, held node ports."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from netproxy.kernel.script import Found, expected, script
from netproxy.kernel.table import build
from netproxy.services import EXTERNAL, Desired, Protocol, ServicePort
from tests.e2e.waiting import until
from tests.netproxy.networks import CLIENT_IP, NODE_IP
from tests.netproxy.nodes import CIDR, CLUSTER_IP, KERNEL, Node, ask_from
from tests.netproxy.servers import Server, naming, port

pytestmark = pytest.mark.netns


@pytest.fixture
def way() -> str:
    """How the services are led to their pods."""
    return KERNEL


def table_of(*ports: ServicePort) -> Desired:
    return Desired(ports={one.name: one for one in ports})


WEB = port(("10.244.0.2", 8080), ("10.244.0.3", 8080))
DNS = port(("10.244.0.4", 53), service="dns", protocol=Protocol.UDP, cluster_ip="10.99.0.11")


def changes(before: Desired, after: Desired) -> list[str]:
    return script("t", expected(build(before, {}, CIDR)), build(after, {}, CIDR)).splitlines()


def test_one_service_more_is_one_chain_and_one_element_more() -> None:
    add_table, add_chain, *rules, element = changes(table_of(WEB), table_of(WEB, DNS))
    assert (add_table, element.partition(" : ")[0]) == (
        "add table ip t",
        "add element ip t services { udp . 10.99.0.11 . 80",
    )
    assert add_chain.startswith("add chain ip t svc-")
    assert [rule.partition(" comment ")[0].split(" ", 5)[5] for rule in rules] == [
        "meta mark set meta mark | 0x4000",
        "meta l4proto udp dnat ip to numgen inc mod 1 map { 0 : 10.244.0.4 . 53 }",
    ]


def test_an_endpoint_that_moves_is_one_chain_anew() -> None:
    moved = replace(WEB, endpoints=(("10.244.0.9", 8080),))
    _table, flush, *rules = changes(table_of(WEB, DNS), table_of(moved, DNS))
    assert flush.startswith("flush chain ip t svc-")
    assert all(rule.startswith("add rule ip t svc-") for rule in rules)


def test_what_is_not_wanted_any_more_goes_and_the_same_is_no_change() -> None:
    sticky = replace(WEB, affinity_s=9)
    lines = changes(table_of(sticky, DNS), table_of(DNS))
    assert [line.split()[:2] for line in lines] == [
        ["add", "table"],
        ["delete", "element"],
        *[["flush", "chain"]] * 3,
        *[["delete", "chain"]] * 3,
        *[["delete", "set"]] * 2,
    ]
    assert changes(table_of(sticky, DNS), table_of(sticky, DNS)) == []
    assert script("t", Found(), build(table_of(), {}, CIDR)).startswith("add table ip t\nadd map ip t services")


@pytest.mark.parametrize(
    "damage",
    [
        "flush ruleset",
        "delete table ip stt-netproxy",
        "flush map ip stt-netproxy services",
        "add element ip stt-netproxy empty-services { tcp . 10.99.0.10 . 80 }",
        "flush chain ip stt-netproxy dispatch",
        "insert rule ip stt-netproxy dispatch return",
        "add chain ip stt-netproxy mine",
    ],
)
def test_what_someone_changed_in_our_table_is_put_right(
    node: Node, pods: Callable[[bytes], Server], damage: str
) -> None:
    node.serve(port(pods(b"a").endpoint, affinity_s=60))
    ask_from(node.place.client, CLUSTER_IP, 80)
    assert not node.check()
    node.place.node.run("nft", damage)
    assert node.check()
    assert not node.check()
    assert ask_from(node.place.client, CLUSTER_IP, 80) == b"a"


def test_the_policy_local_shows_endpoints_their_clients(node: Node, pods: Callable[[bytes], Server]) -> None:
    pod = pods(b"a")
    inside = port(pod.endpoint)
    name = inside.name._replace(scope=EXTERNAL)
    node.serve(inside, replace(inside, name=name, cluster_ip="", node_port=30080, near=inside.name))
    assert ask_from(node.place.client, NODE_IP, 30080) == b"a"
    until(lambda: [peer[0] for peer in pod.peers] == [CLIENT_IP])


def test_a_node_port_is_held_and_one_that_is_taken_is_told(node: Node, pods: Callable[[bytes], Server]) -> None:
    wanted = port(pods(b"a").endpoint, node_port=30080)
    with node.place.node.inside():
        other = Server(naming(b"other"), "0.0.0.0", 30080)
        try:
            clashes = node.mode.apply(table_of(wanted)).clashes
        finally:
            other.close()
        assert [(clash.node_port, clash.reason) for clash in clashes] == [(30080, "Address already in use")]
        assert node.mode.apply(table_of(wanted)).clashes == ()
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind(("0.0.0.0", 30080))
    assert ask_from(node.place.client, NODE_IP, 30080) == b"a"
