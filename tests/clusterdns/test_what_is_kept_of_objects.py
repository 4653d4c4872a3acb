"""What is kept of the API's objects is enough for their names, and no more."""

from api.codec import encode
from api.core import Endpoints, EndpointSubset, Service
from api.core.service import EndpointAddress, EndpointPort, ServicePort, ServiceSpec
from api.discovery import Endpoint, EndpointConditions, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from clusterdns.objects import SERVICE_LABEL, kept_endpoints, kept_service, kept_slice, service_names

BALLAST = {"note": "x" * 1000}


def metadata(name: str) -> ObjectMeta:
    return ObjectMeta(
        name=name, namespace="default", uid="u", resource_version="7", annotations=dict(BALLAST),
        labels={**BALLAST, SERVICE_LABEL: "db"},
    )  # fmt: skip


SERVICES = [
    Service(metadata=metadata("web"), spec=ServiceSpec(cluster_ip="10.96.0.7", cluster_ips=["10.96.0.7"],
            selector=dict(BALLAST), ports=[ServicePort(name="http", port=80, protocol="TCP")])),
    Service(metadata=metadata("dual"), spec=ServiceSpec(cluster_ip="10.96.0.8", cluster_ips=["10.96.0.8", "fd00::8"])),
    Service(metadata=metadata("far"), spec=ServiceSpec(type="ExternalName", external_name="db.example.com")),
    Service(metadata=metadata("db"), spec=ServiceSpec(cluster_ip="None", publish_not_ready_addresses=True)),
]  # fmt: skip
ENDPOINTS = Endpoints(
    metadata=metadata("db"),
    subsets=[
        EndpointSubset(
            addresses=[EndpointAddress(ip="10.244.0.5", hostname="db-0", node_name="n1")],
            not_ready_addresses=[EndpointAddress(ip="10.244.0.6")],
            ports=[EndpointPort(name="sql", port=5432)],
        )
    ],
)
SLICE = EndpointSlice(
    metadata=metadata("db-1"),
    address_type="IPv4",
    endpoints=[
        Endpoint(addresses=["10.244.0.5"], hostname="db-0", conditions=EndpointConditions(ready=False), node_name="n1")
    ],
    ports=[SlicePort(name="sql", port=5432)],
)


def test_the_names_are_those_of_the_whole_objects() -> None:
    for service in SERVICES:
        for slices in ([], [SLICE]):
            whole = service_names(service, slices, ENDPOINTS)
            kept = service_names(kept_service(service), [kept_slice(one) for one in slices], kept_endpoints(ENDPOINTS))
            assert kept == whole


def test_what_an_informer_needs_is_kept_and_the_rest_is_not() -> None:
    for kept in (*map(kept_service, SERVICES), kept_endpoints(ENDPOINTS), kept_slice(SLICE)):
        assert (kept.metadata.namespace, kept.metadata.uid, kept.metadata.resource_version) == ("default", "u", "7")
        assert b"xxx" not in encode(kept)
    assert kept_slice(SLICE).metadata.labels == {SERVICE_LABEL: "db"}
