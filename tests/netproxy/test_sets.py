"""Cluster addresses as members of a set in the kernel: what changed is what is written."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netproxy.config import Config
from netproxy.portals.cluster import Split
from netproxy.portals.sets import AddressSet, Member
from netproxy.portals.tables import LEGACY, NFT
from netproxy.services import Desired, PortName, Protocol, ServicePort
from netproxy.state import State
from netproxy.traces import seen
from netproxy.userspace import Userspace, portals_of
from tests.netproxy.networks import Site
from tests.netproxy.servers import LIMIT_S, Server, port, read_all

CIDR = "10.99.0.0/16"


@pytest.fixture(params=[NFT, LEGACY])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """With each iptables: the rule that names the set is written by another program."""
    return Config(
        cluster_cidr=CIDR,
        chain_prefix="STT",
        state_file=tmp_path / "state.json",
        node_port_range="",
        iptables_mode=request.param,
    )


@pytest.fixture
def mode(place: Site, config: Config) -> Iterator[Userspace]:
    """The userspace mode on the node; the test's thread is there too."""
    with place.node.inside():
        mode = Userspace(config, State())
        mode.start()
        yield mode
        mode.stop()


def member(address: str, number: int) -> Member:
    """One member of a set."""
    return number.to_bytes(2, "big") + socket.inet_aton(address)


def serve(mode: Userspace, *wanted: ServicePort) -> bool:
    """Make this the wanted state; whether the kernel was told of anything."""
    return mode.apply(Desired(ports={one.name: one for one in wanted})).wrote_rules


def rules(place: Site) -> str:
    """What both iptables show, without counters and dates."""
    saved = place.node.run("iptables-nft-save", "-t", "nat") + place.node.run("iptables-legacy-save", "-t", "nat")
    return re.sub(r"\[\d+:\d+\]|^#.*\n", "", saved, flags=re.MULTILINE)


def ask_from_pod(place: Site, address: str) -> bytes:
    """What the service says to a pod."""
    with place.pod.inside(), socket.create_connection((address, 80), timeout=LIMIT_S) as sock:
        return read_all(sock)


@pytest.mark.netns
def test_a_set_holds_thousands_and_tells_them(place: Site) -> None:
    many = {member(f"10.99.{n >> 8}.{n & 255}", 80) for n in range(4000)} | {member("10.99.0.1", 65535)}
    with place.node.inside():
        one = AddressSet("STT-TEST")
        assert not one.destroy()
        one.create()
        one.create()
        one.change(add=many, remove=())
        assert one.members() == many
        one.change(add=(), remove=[*list(many)[:2000], member("10.98.0.1", 1)])
        assert one.members() == set(list(many)[2000:])
        assert one.destroy()


@pytest.mark.netns
def test_services_with_a_cluster_address_alone_come_and_go_without_new_rules(
    place: Site, mode: Userspace, pods: Callable[[bytes], Server]
) -> None:
    one = port(pods(b"one").endpoint, service="one", cluster_ip="10.99.0.1")
    two = port(pods(b"two").endpoint, service="two", cluster_ip="10.99.0.2")
    serve(mode, one)
    before = rules(place)
    assert before.count("--match-set STT-CLUSTER dst,dst") == 1
    assert serve(mode, one, two)
    assert [ask_from_pod(place, ip) for ip in ("10.99.0.1", "10.99.0.2")] == [b"one", b"two"]
    assert serve(mode, two)
    assert rules(place) == before
    with pytest.raises(ConnectionRefusedError):
        ask_from_pod(place, "10.99.0.1")


@pytest.mark.netns
def test_an_endpoint_that_moves_costs_the_kernel_nothing_and_the_last_that_goes_refuses(
    place: Site, mode: Userspace, pods: Callable[[bytes], Server]
) -> None:
    one = port(pods(b"a").endpoint, cluster_ip="10.99.0.1")
    serve(mode, one)
    assert not serve(mode, replace(one, endpoints=(pods(b"b").endpoint,)))
    assert ask_from_pod(place, "10.99.0.1") == b"b"
    assert serve(mode, replace(one, endpoints=()))
    with pytest.raises(ConnectionRefusedError):
        ask_from_pod(place, "10.99.0.1")


@pytest.mark.netns
def test_what_someone_changed_in_the_set_is_put_back(
    place: Site, mode: Userspace, pods: Callable[[bytes], Server]
) -> None:
    serve(mode, port(pods(b"a").endpoint, cluster_ip="10.99.0.1"))
    other = AddressSet("STT-CLUSTER")
    other.change(add=[member("10.99.0.9", 9)], remove=[member("10.99.0.1", 80)])
    assert mode.check()
    assert other.members() == {member("10.99.0.1", 80)}
    assert not mode.check()
    assert ask_from_pod(place, "10.99.0.1") == b"a"


@pytest.mark.netns
def test_a_set_that_was_left_behind_is_adopted_and_cleanup_removes_it(
    place: Site, config: Config, pods: Callable[[bytes], Server]
) -> None:
    with place.node.inside():
        left = AddressSet("STT-CLUSTER")
        left.create()
        left.change(add=[member("10.99.0.7", 7), member("10.99.0.1", 80)], remove=())
        mode = Userspace(config, State())
        mode.start()
        serve(mode, port(pods(b"a").endpoint, cluster_ip="10.99.0.1"))
        assert left.members() == {member("10.99.0.1", 80)}
        assert ask_from_pod(place, "10.99.0.1") == b"a"
        mode.stop()
        assert "set STT-CLUSTER" in seen(config)
        assert "set STT-CLUSTER" in portals_of(config).cleanup()
        assert seen(config) == []
        assert "STT" not in rules(place)
        assert not left.destroy()


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (port(("10.0.0.1", 80), cluster_ip="10.99.0.1"), "set"),
        (port(cluster_ip="10.99.0.1"), "nothing"),
        (port(("10.0.0.1", 80), cluster_ip="10.98.0.1"), "rule"),
        (port(("10.0.0.1", 80), cluster_ip="10.99.0.1", node_port=30080), "rule"),
        (port(("10.0.0.1", 80), cluster_ip="10.99.0.1", protocol=Protocol.UDP), "rule"),
    ],
    ids=["plain", "no endpoints", "outside the range", "node port", "udp"],
)
def test_a_service_is_in_the_set_or_has_rules(one: ServicePort, expected: str) -> None:
    own = one.node_port or one.protocol is Protocol.UDP
    ports: dict[PortName, int] = {one.name: 40001 if own else 40000}
    split = Split(CIDR, 40000, use_set=True)
    split.update({one.name: one}, [one.name], ports)
    assert (bool(split.owners), bool(split.rest)) == (expected == "set", expected == "rule")
    split.update({}, [one.name], {})
    assert (split.owners, split.rest) == ({}, {})
    without = Split(CIDR, 40000, use_set=False)
    without.update({one.name: one}, [one.name], ports)
    assert without.rest == {one.name: one}
