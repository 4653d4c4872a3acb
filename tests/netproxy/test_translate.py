"""From API objects to service ports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.core import Endpoints, Service
from api.core.service import (
    ClientIPConfig,
    EndpointAddress,
    EndpointPort,
    EndpointSubset,
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from api.discovery import Endpoint as SliceEndpoint
from api.discovery import EndpointConditions, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from netproxy.endpoints import Here
from netproxy.services import EXTERNAL, HealthCheck, PortName, Protocol, Wanted, difference
from netproxy.translate import Objects
from netproxy.translate import translate as translate_objects
from tests.netproxy.servers import port


def translate(
    services: list[Service],
    endpoints: list[Endpoints],
    slices: list[EndpointSlice] | None = None,
    here: Here | None = None,
) -> Wanted:
    objects = Objects(services=services, endpoints=endpoints, slices=slices or [], here=here or Here())
    return translate_objects(objects).ports


def service(spec: ServiceSpec, status: ServiceStatus | None = None) -> Service:
    meta = ObjectMeta(name="web", namespace="default")
    return Service(metadata=meta, spec=spec, status=status or ServiceStatus())


def endpoints(*subsets: EndpointSubset) -> Endpoints:
    return Endpoints(metadata=ObjectMeta(name="web", namespace="default"), subsets=list(subsets))


def ready(*ips: str) -> list[EndpointAddress]:
    return [EndpointAddress(ip=ip) for ip in ips]


def test_each_port_gets_the_ready_endpoints_of_its_name() -> None:
    spec = ServiceSpec(
        type="NodePort",
        cluster_ip="10.96.0.9",
        ports=[
            ServicePort(name="http", port=80, node_port=30080),
            ServicePort(name="dns", port=53, protocol="UDP", node_port=30053),
        ],
    )
    subset = EndpointSubset(
        addresses=ready("10.244.0.10", "10.244.0.9"),
        not_ready_addresses=ready("10.244.0.11"),
        ports=[EndpointPort(name="http", port=8080), EndpointPort(name="dns", port=5353, protocol="UDP")],
    )
    wanted = translate([service(spec)], [endpoints(subset)])
    http, dns = wanted[PortName("default", "web", "http")], wanted[PortName("default", "web", "dns")]
    assert http.endpoints == (("10.244.0.9", 8080), ("10.244.0.10", 8080))
    assert (http.node_port, http.protocol) == (30080, Protocol.TCP)
    assert (dns.endpoints[0], dns.protocol) == (("10.244.0.9", 5353), Protocol.UDP)


def test_an_address_in_two_subsets_counts_once() -> None:
    spec = ServiceSpec(cluster_ip="10.96.0.9", ports=[ServicePort(port=80)])
    subset = EndpointSubset(addresses=ready("10.244.0.9"), ports=[EndpointPort(port=80)])
    (one,) = translate([service(spec)], [endpoints(subset, subset)]).values()
    assert one.endpoints == (("10.244.0.9", 80),)


def test_a_service_may_ask_for_endpoints_that_are_not_ready() -> None:
    spec = ServiceSpec(cluster_ip="10.96.0.9", ports=[ServicePort(port=80)], publish_not_ready_addresses=True)
    subset = EndpointSubset(not_ready_addresses=ready("10.244.0.9"), ports=[EndpointPort(port=80)])
    (one,) = translate([service(spec)], [endpoints(subset)]).values()
    assert one.endpoints == (("10.244.0.9", 80),)


@pytest.mark.parametrize(
    "spec",
    [
        ServiceSpec(cluster_ip="None", ports=[ServicePort(port=80)]),
        ServiceSpec(cluster_ip="", ports=[ServicePort(port=80)]),
        ServiceSpec(type="ExternalName", external_name="example.org", ports=[ServicePort(port=80)]),
        ServiceSpec(cluster_ip="10.96.0.9", ports=[ServicePort(port=80, protocol="SCTP")]),
        ServiceSpec(cluster_ip="fd00::9", ports=[ServicePort(port=80)]),
    ],
    ids=["headless", "no address yet", "external name", "SCTP", "IPv6"],
)
def test_what_is_not_proxied_is_left_out(spec: ServiceSpec) -> None:
    assert translate([service(spec)], []) == {}


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        (None, 10_800),
        (SessionAffinityConfig(), 10_800),
        (SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=7)), 7),
    ],
)
def test_affinity_has_the_timeout_of_the_service(config: SessionAffinityConfig | None, seconds: int) -> None:
    spec = ServiceSpec(
        cluster_ip="10.96.0.9",
        ports=[ServicePort(port=80)],
        session_affinity="ClientIP",
        session_affinity_config=config,
    )
    (one,) = translate([service(spec)], []).values()
    assert one.affinity_s == seconds


def test_external_and_load_balancer_addresses_are_taken_when_they_are_ipv4() -> None:
    status = ServiceStatus(
        load_balancer=LoadBalancerStatus(
            ingress=[LoadBalancerIngress(ip="203.0.113.8"), LoadBalancerIngress(hostname="lb.example.org")]
        )
    )
    spec = ServiceSpec(
        type="LoadBalancer",
        cluster_ip="10.96.0.9",
        ports=[ServicePort(port=80)],
        external_ips=["203.0.113.7", "nonsense"],
    )
    (one,) = translate([service(spec, status)], []).values()
    assert (one.external_ips, one.load_balancer_ips) == (("203.0.113.7",), ("203.0.113.8",))


@pytest.mark.parametrize(
    ("spec", "served", "told"),
    [
        (ServiceSpec(cluster_ip="10.96.0.9", cluster_ips=["10.96.0.9"]), "10.96.0.9", []),
        (
            ServiceSpec(cluster_ip="10.96.0.9", cluster_ips=["10.96.0.9", "fd00::9"]),
            "10.96.0.9",
            ["fd00::9 in clusterIPs has incorrect IP version"],
        ),
        (
            ServiceSpec(cluster_ip="fd00::9", cluster_ips=["fd00::9", "10.96.0.9"]),
            "10.96.0.9",
            ["fd00::9 in clusterIPs has incorrect IP version"],
        ),
        (
            ServiceSpec(cluster_ip="fd00::9", external_ips=["fd00::a"], external_traffic_policy="Local"),
            "",
            [
                "fd00::9 in clusterIPs has incorrect IP version; fd00::a in externalIPs has incorrect IP version",
            ],
        ),
        (ServiceSpec(cluster_ip="None"), "", []),
    ],
)
def test_of_two_families_ipv4_is_served_and_the_other_is_told(spec: ServiceSpec, served: str, told: list[str]) -> None:
    spec.ports = [ServicePort(port=80)]
    found = translate_objects(Objects(services=[service(spec)]))
    assert "".join(one.cluster_ip for one in found.ports.values()) == served
    assert [one.message for one in found.left_out] == told
    assert {one.reason for one in found.left_out} <= {"KubeProxyIncorrectIPVersion"}


def test_a_protocol_that_is_not_proxied_is_told() -> None:
    ports = [ServicePort(name="a", port=80), ServicePort(name="b", port=81, protocol="SCTP")]
    found = translate_objects(Objects(services=[service(ServiceSpec(cluster_ip="10.96.0.9", ports=ports))]))
    assert [name.port for name in found.ports] == ["a"]
    assert [(one.reason, one.message) for one in found.left_out] == [
        ("ProtocolNotServed", "81/SCTP: only TCP and UDP are proxied")
    ]


def test_the_difference_of_two_states_names_each_port() -> None:
    old = port(("10.0.0.1", 80))
    gone, new = port(service="gone"), port(service="new")
    moved = replace(old, endpoints=(("10.0.0.2", 80),))
    assert str(difference({old.name: old, gone.name: gone}, {old.name: moved, new.name: new})) == (
        "added=1 removed=1 changed=1"
    )


HERE = Here(node="n1", zone="z1")


def pod(ip: str, node: str = "n1", zone: str = "z1", **conditions: bool | None) -> SliceEndpoint:
    told = EndpointConditions(**conditions) if conditions else None
    return SliceEndpoint(addresses=[ip], node_name=node, zone=zone, conditions=told)


def slice_of(
    *endpoints: SliceEndpoint, name: str = "web-1", port_name: str = "", service: str = "web"
) -> EndpointSlice:
    meta = ObjectMeta(name=name, namespace="default", labels={"kubernetes.io/service-name": service})
    ports = [SlicePort(name=port_name, port=8080, protocol="TCP")]
    return EndpointSlice(metadata=meta, address_type="IPv4", endpoints=list(endpoints), ports=ports)


def addresses(wanted: Wanted, scope: str = "") -> list[str]:
    return [address for address, _port in wanted[PortName("default", "web", "", scope)].endpoints]


PLAIN = ServiceSpec(cluster_ip="10.96.0.9", ports=[ServicePort(port=80)])


def test_slices_come_before_endpoints() -> None:
    old = endpoints(EndpointSubset(addresses=ready("10.244.0.1"), ports=[EndpointPort(port=8080)]))
    slices = [slice_of(pod("10.244.0.3"), pod("10.244.0.2")), slice_of(pod("10.244.0.4"), name="web-2")]
    assert addresses(translate([service(PLAIN)], [old], slices)) == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    other = [slice_of(pod("10.244.0.9"), service="other")]
    assert addresses(translate([service(PLAIN)], [old], other)) == ["10.244.0.1"]


def test_what_is_not_told_of_an_endpoint_counts_as_good() -> None:
    slices = [slice_of(pod("10.244.0.1"), pod("10.244.0.2", ready=None), pod("10.244.0.3", ready=False))]
    assert addresses(translate([service(PLAIN)], [], slices)) == ["10.244.0.1", "10.244.0.2"]


def test_new_connections_leave_endpoints_that_end_unless_there_are_no_others() -> None:
    ending = pod("10.244.0.1", ready=False, serving=True, terminating=True)
    dead = pod("10.244.0.2", ready=False, serving=False, terminating=True)
    assert addresses(translate([service(PLAIN)], [], [slice_of(ending, dead, pod("10.244.0.3"))])) == ["10.244.0.3"]
    assert addresses(translate([service(PLAIN)], [], [slice_of(ending, dead)])) == ["10.244.0.1"]


def test_an_endpoint_that_moves_between_slices_counts_once_and_as_ready() -> None:
    slices = [slice_of(pod("10.244.0.1", ready=False)), slice_of(pod("10.244.0.1", ready=True), name="web-2")]
    for both in (slices, slices[::-1]):
        assert addresses(translate([service(PLAIN)], [], both)) == ["10.244.0.1"]


@pytest.mark.parametrize(
    ("distribution", "pods", "chosen"),
    [
        (None, [("n1", "z1"), ("n2", "z1"), ("n3", "z2")], [0, 1, 2]),
        ("PreferClose", [("n1", "z1"), ("n2", "z1"), ("n3", "z2")], [0, 1]),
        ("PreferClose", [("n3", "z2"), ("n4", "z3")], [0, 1]),
        ("PreferSameNode", [("n1", "z1"), ("n2", "z1"), ("n3", "z2")], [0]),
        ("PreferSameNode", [("n2", "z1"), ("n3", "z2")], [0]),
        ("PreferSameNode", [("n3", "z2"), ("n4", "")], [0, 1]),
    ],
)
def test_endpoints_near_are_preferred_on_request(
    distribution: str | None, pods: list[tuple[str, str]], chosen: list[int]
) -> None:
    spec = ServiceSpec(cluster_ip="10.96.0.9", ports=[ServicePort(port=80)], traffic_distribution=distribution)
    made = slice_of(*(pod(f"10.244.0.{number}", *place) for number, place in enumerate(pods)))
    assert addresses(translate([service(spec)], [], [made], HERE)) == [f"10.244.0.{number}" for number in chosen]


BOTH = [slice_of(pod("10.244.0.1"), pod("10.244.1.1", "n2"))]


def outside_spec(**more: str) -> ServiceSpec:
    ports = [ServicePort(port=80, node_port=30080)]
    return ServiceSpec(type="LoadBalancer", cluster_ip="10.96.0.9", ports=ports, health_check_node_port=32000, **more)


def test_outside_clients_stay_on_this_node_under_the_policy_local_and_near_ones_do_not() -> None:
    wanted = translate([service(outside_spec(external_traffic_policy="Local"))], [], BOTH, HERE)
    inside, outside = (wanted[PortName("default", "web", "", scope)] for scope in ("", EXTERNAL))
    assert (inside.cluster_ip, inside.node_port, len(inside.endpoints)) == ("10.96.0.9", 0, 2)
    assert (outside.cluster_ip, outside.node_port, outside.near) == ("", 30080, inside.name)
    assert outside.endpoints == (("10.244.0.1", 8080),)


def test_inside_clients_stay_on_this_node_under_the_policy_local() -> None:
    wanted = translate([service(outside_spec(internal_traffic_policy="Local"))], [], BOTH, HERE)
    assert addresses(wanted) == ["10.244.0.1"]
    assert addresses(wanted, EXTERNAL) == ["10.244.0.1", "10.244.1.1"]
    assert wanted[PortName("default", "web", "", EXTERNAL)].near is None


def test_both_policies_local_are_one_port_with_the_endpoints_of_this_node() -> None:
    spec = outside_spec(internal_traffic_policy="Local", external_traffic_policy="Local")
    (one,) = translate([service(spec)], [], BOTH, HERE).values()
    assert (one.node_port, one.endpoints) == (30080, (("10.244.0.1", 8080),))
    (none,) = translate([service(spec)], [], BOTH, Here(node="n9")).values()
    assert none.endpoints == ()


def test_a_local_policy_prefers_ending_endpoints_here_to_none() -> None:
    ending = pod("10.244.0.1", ready=False, serving=True, terminating=True)
    spec = outside_spec(internal_traffic_policy="Local", external_traffic_policy="Local")
    (one,) = translate([service(spec)], [], [slice_of(ending, pod("10.244.1.1", "n2"))], HERE).values()
    assert one.endpoints == (("10.244.0.1", 8080),)


def test_health_checks_are_for_load_balancers_with_the_policy_local() -> None:
    local = service(outside_spec(external_traffic_policy="Local"))
    checks = translate_objects(Objects(services=[local], slices=BOTH, here=HERE)).health_checks
    assert checks == (HealthCheck(namespace="default", service="web", port=32000, local_endpoints=1),)
    assert translate_objects(Objects(services=[service(outside_spec())], slices=BOTH, here=HERE)).health_checks == ()


@pytest.mark.parametrize(
    ("ranges", "used"),
    [
        ([], ()),
        (["10.0.0.0/8 ", "192.0.2.7/24"], ("10.0.0.0/8", "192.0.2.0/24")),
        (["fd00::/8"], ("0.0.0.0/32",)),
    ],
    ids=["none", "two", "none of IPv4 lets nobody in"],
)
def test_source_ranges_are_taken_when_they_are_ipv4(ranges: list[str], used: tuple[str, ...]) -> None:
    spec = outside_spec()
    spec.load_balancer_source_ranges = ranges
    (one,) = translate([service(spec)], []).values()
    assert one.source_ranges == used


def test_a_service_with_a_node_port_needs_no_cluster_address() -> None:
    spec = ServiceSpec(type="NodePort", ports=[ServicePort(port=80, node_port=30080)])
    (one,) = translate([service(spec)], []).values()
    assert (one.cluster_ip, one.node_port) == ("", 30080)


@pytest.mark.parametrize(("asked", "told"), [("", False), ("v2", True), ("v1", False)])
def test_the_proxy_protocol_is_asked_for_by_annotation(asked: str, told: bool) -> None:
    item = service(
        ServiceSpec(cluster_ip="10.96.0.9", ports=[ServicePort(port=80), ServicePort(port=80, protocol="UDP")])
    )
    item.spec.ports[1].name = "udp"
    item.metadata.annotations = {"service.steersman.io/proxy-protocol": asked} if asked else {}
    wanted = translate_objects(Objects(services=[item]))
    assert [one.proxy_protocol for one in wanted.ports.values()] == [told, False]
    assert [one.reason for one in wanted.left_out] == ([] if asked in ("", "v2") else ["ProxyProtocolNotServed"])
