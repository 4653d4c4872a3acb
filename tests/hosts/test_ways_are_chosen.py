"""Which way leads to a node's pods: decided from plain values."""

import pytest

from agent.config import Config
from agent.network.marks import chain_name, route_metric, tunnel_name
from agent.network.peers import Peer
from agent.network.wanted import Choice, Route, Wanted, Way, wanted

OWN = Peer("a", "192.0.2.1", "10.0.1.0/24")
BESIDE, FAR = Peer("b", "192.0.2.2", "10.0.2.0/24"), Peer("c", "198.51.100.3", "10.0.3.0/24")
WAYS = {BESIDE.address: Way("eth0", 9000), FAR.address: Way("eth1", 1500, "192.0.2.254")}
PLAIN_BESIDE = Route(BESIDE.cidr, BESIDE.address, "eth0")
TUNNEL_FAR = Route(FAR.cidr, "10.0.3.0", "vx", "10.0.1.1")


def chosen(mode: str, ways: dict[str, Way | None] = WAYS) -> Wanted:  # type: ignore[assignment]
    return wanted(OWN, [BESIDE, FAR], ways, Choice(mode=mode, device="vx", vni=84, port=8472))


def test_a_tunnel_only_where_a_router_lies_between() -> None:
    found = chosen("auto")
    assert found.routes == {PLAIN_BESIDE, TUNNEL_FAR}
    assert [(end.inner, end.mac, end.host) for end in found.ends] == [("10.0.3.0", "02:84:c6:33:64:03", FAR.address)]
    assert found.tunnel is not None
    assert found.tunnel.mtu == 1450


def test_a_tunnel_everywhere_when_asked_for_has_the_least_mtu() -> None:
    found = chosen("vxlan")
    assert {route.device for route in found.routes} == {"vx"}
    assert found.tunnel is not None
    assert found.tunnel.mtu == 1450


def test_plain_routes_alone_refuse_what_is_behind_a_router() -> None:
    found = chosen("routes")
    assert found.routes == {PLAIN_BESIDE}
    assert found.tunnel is None
    assert [problem.node for problem in found.problems] == ["c"]


def test_a_node_out_of_reach_costs_no_other() -> None:
    found = chosen("auto", {**WAYS, BESIDE.address: None})
    assert found.routes == {TUNNEL_FAR}
    assert "no route to its address 192.0.2.2" in found.problems[0].message


def test_marks_fit_what_the_kernel_takes_and_differ_by_cluster() -> None:
    longest = "b" * 15
    assert len(tunnel_name(longest)) == 15
    assert len(chain_name(longest)) <= 28
    assert route_metric("one") != route_metric("two")
    assert route_metric("one") < 2**32


@pytest.mark.parametrize("setting", [{"pod_network_mode": "bgp"}, {"vxlan_id": 0}, {"vxlan_port": 65536}])
def test_settings_that_make_no_sense_are_named(setting: dict[str, object]) -> None:
    (problem,) = Config(**setting).check()  # type: ignore[arg-type]
    assert problem.startswith(next(iter(setting)))
