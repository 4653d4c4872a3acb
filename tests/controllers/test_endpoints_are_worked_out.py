"""Endpoints, purely: which pods stand behind a service, on which ports."""

from typing import Any

import msgspec
import pytest

from api.core import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from api.discovery import EndpointSlice
from api.meta import ObjectMeta
from master.controllers.backends import MANAGER_LABEL, SLICE_SIZE, backends, bounded, labels, pod_uids, slices, subsets
from master.controllers.mirroring import MIRROR, is_mirrored, mirrored
from master.controllers.triggers import TRIGGER_TIME
from tests.controllers.made import pod, service


def told(of: Service, *pods: Pod) -> list[tuple[list[str], list[str], list[tuple[str, int]]]]:
    """Ready addresses, those not ready, and ports, of each subset."""
    return [
        (
            [address.ip for address in subset.addresses],
            [address.ip for address in subset.not_ready_addresses],
            [(port.name, port.port) for port in subset.ports],
        )
        for subset in subsets(backends(of, pods), of.metadata.name)
    ]


def test_ready_and_not_ready_pods_are_told_apart() -> None:
    pods = [pod("a", ip="10.0.0.2", ready=True), pod("b", ip="10.0.0.1", ready=True), pod("c", ip="10.0.0.3")]
    assert told(service(), *pods) == [(["10.0.0.1", "10.0.0.2"], ["10.0.0.3"], [("", 80)])]


def test_pods_that_cannot_serve_are_left_out() -> None:
    others = [
        pod("no address", ready=True),
        pod("other labels", ip="10.0.0.4", ready=True, labels={"app": "other"}),
        pod("succeeded", ip="10.0.0.5", phase="Succeeded"),
        pod("failed", ip="10.0.0.6", phase="Failed"),
        pod("terminating", ip="10.0.0.7", ready=True, going=True),
    ]
    assert told(service(), *others) == []


def test_all_are_published_on_request() -> None:
    pods = [pod("a", ip="10.0.0.1"), pod("b", ip="10.0.0.2", ready=True, going=True)]
    assert told(service(publishNotReadyAddresses=True), *pods) == [(["10.0.0.1", "10.0.0.2"], [], [("", 80)])]


def offering(name: str, port: int, protocol: str = "TCP") -> dict[str, Any]:
    ports = [{"name": name, "containerPort": port, "protocol": protocol}]
    return {"containers": [{"name": "c", "image": "web:1", "ports": ports}]}


def test_a_named_port_is_each_pods_own() -> None:
    named = service({"name": "http", "port": 80, "targetPort": "web"})
    pods = [
        pod("a", ip="10.0.0.1", ready=True, **offering("web", 8080)),
        pod("b", ip="10.0.0.2", ready=True, **offering("web", 9090)),
        pod("c", ip="10.0.0.3", ready=True, **offering("web", 8080)),
        pod("d", ip="10.0.0.4", ready=True, **offering("other", 8080)),
        pod("e", ip="10.0.0.5", ready=True, **offering("web", 8080, "UDP")),
    ]
    assert told(named, *pods) == [
        (["10.0.0.1", "10.0.0.3"], [], [("http", 8080)]),
        (["10.0.0.2"], [], [("http", 9090)]),
    ]


def test_of_several_ports_a_pod_serves_those_it_has() -> None:
    two = service({"name": "a", "port": 80, "targetPort": 8080}, {"name": "b", "port": 81, "targetPort": "web"})
    pods = [pod("x", ip="10.0.0.1", ready=True), pod("y", ip="10.0.0.2", ready=True, **offering("web", 9))]
    assert sorted(told(two, *pods)) == [
        (["10.0.0.1"], [], [("a", 8080)]),
        (["10.0.0.2"], [], [("a", 8080), ("b", 9)]),
    ]


def test_a_headless_service_may_have_no_ports_at_all() -> None:
    headless = service(clusterIP="None")
    headless.spec.ports = []
    assert told(headless, pod("a", ip="10.0.0.1", ready=True)) == [(["10.0.0.1"], [], [])]


def test_host_names_are_published_under_the_subdomain_of_the_service() -> None:
    pods = [
        pod("a", ip="10.0.0.1", ready=True, hostname="first", subdomain="web", nodeName="n1"),
        pod("b", ip="10.0.0.2", ready=True, hostname="second", subdomain="other"),
    ]
    first, second = subsets(backends(service(), pods), "web")[0].addresses
    assert (first.hostname, first.node_name, second.hostname, second.node_name) == ("first", "n1", "", None)
    assert first.target_ref is not None
    assert (first.target_ref.kind, first.target_ref.name, first.target_ref.uid) == ("Pod", "a", "uid-a")


def test_slices_say_ready_serving_and_terminating() -> None:
    of = service(publishNotReadyAddresses=True)
    pods = [pod("a", ip="10.0.0.1", ready=True), pod("b", ip="10.0.0.2"), pod("c", ip="10.0.0.3", going=True)]
    (made,) = slices(of, backends(of, pods))
    assert made.metadata.labels["kubernetes.io/service-name"] == "web"
    assert made.metadata.labels["of"] == "test"
    assert made.metadata.owner_references[0].kind == "Service"
    conditions = [item.conditions for item in made.endpoints]
    assert [(c.ready, c.serving, c.terminating) for c in conditions if c is not None] == [
        (True, True, False),
        (True, False, False),
        (True, False, True),
    ]


def test_a_pod_that_is_deleted_stays_in_its_slice_as_terminating_and_is_not_ready() -> None:
    pods = [pod("a", ip="10.0.0.1", ready=True), pod("b", ip="10.0.0.2", ready=True, going=True)]
    (made,) = slices(service(), backends(service(), pods))
    conditions = [item.conditions for item in made.endpoints]
    assert [(c.ready, c.serving, c.terminating) for c in conditions if c is not None] == [
        (True, True, False),
        (False, True, True),
    ]
    assert told(service(), *pods) == [(["10.0.0.1"], [], [("", 80)])]


def test_slices_are_bounded_and_keep_their_names() -> None:
    pods = [pod(f"p{number}", ip=f"10.0.{number // 200}.{number % 200 + 1}", ready=True) for number in range(250)]
    first = slices(service(), backends(service(), pods))
    assert [len(item.endpoints) for item in first] == [SLICE_SIZE, SLICE_SIZE, 50]
    assert len({item.metadata.name for item in first}) == 3
    again = slices(service(), backends(service(), reversed(pods)))
    assert [item.metadata.name for item in again] == [item.metadata.name for item in first]


def _known(made: list[EndpointSlice]) -> dict[str, set[str]]:
    return {item.metadata.name: pod_uids(item) for item in made}


def test_one_pod_more_or_less_changes_one_slice() -> None:
    pods = [pod(f"p{number}", ip=f"10.0.{number // 200 + 1}.{number % 200 + 1}", ready=True) for number in range(250)]
    first = slices(service(), backends(service(), pods))
    newcomer = pod("new", ip="10.0.0.1", ready=True)
    more = slices(service(), backends(service(), [newcomer, *pods]), _known(first))
    assert [len(item.endpoints) for item in more] == [100, 100, 51]
    assert more[:2] == first[:2]
    less = slices(service(), backends(service(), [newcomer, *pods[1:]]), _known(more))
    assert [len(item.endpoints) for item in less] == [99, 100, 51]
    assert less[1:] == more[1:]
    filled = slices(service(), backends(service(), [newcomer, *pods]), _known(less))
    assert [len(item.endpoints) for item in filled] == [100, 100, 51]


def test_slices_that_have_become_empty_are_joined() -> None:
    pods = [pod(f"p{number}", ip=f"10.0.{number // 200 + 1}.{number % 200 + 1}", ready=True) for number in range(450)]
    first = slices(service(), backends(service(), pods))
    few = slices(service(), backends(service(), pods[::50]), _known(first))
    assert [len(item.endpoints) for item in few] == [9]


def test_a_service_without_pods_has_one_slice_with_nothing_in_it() -> None:
    (placeholder,) = slices(service(), backends(service(), []))
    assert (placeholder.endpoints, placeholder.ports, placeholder.address_type) == ([], [], "IPv4")
    assert placeholder.metadata.labels["kubernetes.io/service-name"] == "web"
    first = slices(service(), backends(service(), [pod("a", ip="10.0.0.1", ready=True)]), _known([placeholder]))
    assert [len(item.endpoints) for item in first] == [1]
    assert slices(service(), backends(service(), []), _known(first)) == [placeholder]


def test_endpoints_hold_a_thousand_addresses_and_ready_ones_first() -> None:
    ready = [pod(f"r{number}", ip=f"10.1.{number // 200}.{number % 200 + 1}", ready=True) for number in range(600)]
    others = [pod(f"o{number}", ip=f"10.2.{number // 200}.{number % 200 + 1}", ready=False) for number in range(600)]
    (whole,) = subsets(backends(service(), [*ready, *others]), "web")
    (kept,) = bounded([whole])
    assert (len(kept.addresses), len(kept.not_ready_addresses)) == (600, 400)
    (full,) = bounded([msgspec.structs.replace(whole, addresses=whole.addresses * 2)])
    assert (len(full.addresses), len(full.not_ready_addresses)) == (1000, 0)
    assert bounded([kept]) == [kept]


@pytest.mark.parametrize(
    ("ready", "others", "kept"),
    [
        ((2000, 1000), (5, 5), [(667, 0), (333, 0)]),
        ((1, 1, 1499), (0, 0, 0), [(1, 0), (1, 0), (998, 0)]),
        ((300, 100), (900, 300), [(300, 450), (100, 150)]),
        ((1003,), (0,), [(1000, 0)]),
        ((0, 400), (1201, 0), [(0, 600), (400, 0)]),
    ],
)
def test_each_subset_of_too_many_addresses_keeps_its_share(
    ready: tuple[int, ...], others: tuple[int, ...], kept: list[tuple[int, int]]
) -> None:
    """As Kubernetes shares out: rounded up, so that all of the room is used."""
    address = EndpointAddress(ip="10.0.0.1")
    whole = [
        EndpointSubset(addresses=[address] * first, not_ready_addresses=[address] * second)
        for first, second in zip(ready, others, strict=True)
    ]
    assert [(len(one.addresses), len(one.not_ready_addresses)) for one in bounded(whole)] == kept


def test_a_sidecars_named_port_counts_and_an_init_containers_does_not() -> None:
    named = service({"name": "http", "port": 80, "targetPort": "web"})
    ports = [{"name": "web", "containerPort": 8080, "protocol": "TCP"}]
    sidecar = {"name": "s", "image": "s:1", "ports": ports, "restartPolicy": "Always"}
    init = {"name": "s", "image": "s:1", "ports": ports}
    pods = [
        pod("a", ip="10.0.0.1", ready=True, initContainers=[sidecar]),
        pod("b", ip="10.0.0.2", ready=True, initContainers=[init]),
    ]
    assert told(named, *pods) == [(["10.0.0.1"], [], [("http", 8080)])]


def test_slices_tell_the_zone_of_each_node() -> None:
    pods = [pod("a", ip="10.0.0.1", ready=True, nodeName="n1"), pod("b", ip="10.0.0.2", ready=True, nodeName="n2")]
    (made,) = slices(service(), backends(service(), pods), {}, {"n1": "east", "n2": ""}.__getitem__)
    assert [one.zone for one in made.endpoints] == ["east", None]


def by_hand(**metadata: Any) -> Endpoints:
    port = EndpointPort(name="http", port=8080, protocol="TCP")
    first = EndpointSubset(
        addresses=[EndpointAddress(ip="10.9.0.1", node_name="n1"), EndpointAddress(ip="fd00::1")],
        not_ready_addresses=[EndpointAddress(ip="10.9.0.2")],
        ports=[port],
    )
    second = EndpointSubset(addresses=[EndpointAddress(ip="10.9.0.3")], ports=[EndpointPort(port=9, protocol="UDP")])
    return Endpoints(metadata=ObjectMeta(name="web", namespace="default", uid="e", **metadata), subsets=[first, second])


def test_endpoints_written_by_hand_are_mirrored_by_ports_and_kind_of_address() -> None:
    made = mirrored(by_hand(labels={"l": "1"}, annotations={"a": "1", TRIGGER_TIME: "t"}))
    assert [
        (
            item.address_type,
            [port.port for port in item.ports],
            [
                (one.addresses[0], one.conditions.ready if one.conditions else None, one.node_name)
                for one in item.endpoints
            ],
        )
        for item in made
    ] == [
        ("IPv4", [8080], [("10.9.0.1", True, "n1"), ("10.9.0.2", False, None)]),
        ("IPv6", [8080], [("fd00::1", True, None)]),
        ("IPv4", [9], [("10.9.0.3", True, None)]),
    ]
    assert len({item.metadata.name for item in made}) == 3
    for item in made:
        assert item.metadata.labels == {"l": "1", "kubernetes.io/service-name": "web", MANAGER_LABEL: MIRROR}
        assert item.metadata.annotations == {"a": "1"}
        assert [(one.kind, one.uid) for one in item.metadata.owner_references] == [("Endpoints", "e")]


def test_only_endpoints_of_services_without_a_selector_are_mirrored() -> None:
    bare = service(selector={})
    assert is_mirrored(bare, by_hand())
    assert not is_mirrored(service(), by_hand())
    assert not is_mirrored(bare, by_hand(labels={"endpointslice.kubernetes.io/skip-mirror": "true"}))
    assert not is_mirrored(bare, by_hand(annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}))


def test_a_headless_service_is_marked() -> None:
    headless = service(clusterIP="None")
    assert labels(headless) == {"of": "test", "service.kubernetes.io/headless": ""}
    assert labels(service()) == {"of": "test"}


def test_nobody_is_no_subset() -> None:
    assert subsets(backends(service(), []), "web") == Endpoints().subsets
