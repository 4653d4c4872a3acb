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
from api.meta import ObjectMeta
from netproxy.services import PortName, Protocol, difference
from netproxy.translate import translate
from tests.netproxy.servers import port


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


def test_the_difference_of_two_states_names_each_port() -> None:
    old = port(("10.0.0.1", 80))
    gone, new = port(service="gone"), port(service="new")
    moved = replace(old, endpoints=(("10.0.0.2", 80),))
    assert str(difference({old.name: old, gone.name: gone}, {old.name: moved, new.name: new})) == (
        "added=1 removed=1 changed=1"
    )
