"""Which pods stand behind a service, written as Endpoints and as EndpointSlices: pure."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from api.core import EndpointAddress, EndpointPort, EndpointSubset, ObjectReference, Pod, Service, ServicePort
from api.discovery import Endpoint, EndpointConditions, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from api.selectors import from_map
from master.controllers.ownership import reference
from master.controllers.pods import has_ended, is_ready

SLICE_SIZE = 100
# Endpoints are one object, whatever the number of pods: more are not written.
MOST_ADDRESSES = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
_HEADLESS = "service.kubernetes.io/headless"
SERVICE_LABEL = "kubernetes.io/service-name"
ZONE_LABEL = "topology.kubernetes.io/zone"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
_Ports = tuple[tuple[str, int, str, str | None], ...]
_Placed = tuple[Pod, bool]
Groups = dict[_Ports, list[_Placed]]


def backends(service: Service, pods: Iterable[Pod]) -> Groups:
    """The pods behind a service with whether each is ready, grouped by the ports they serve it on.

    A pod that is being deleted is not ready from that moment on: nothing new may go there while it ends.
    """
    selector = from_map(service.spec.selector)
    unready_too = service.spec.publish_not_ready_addresses
    groups: Groups = {}
    for pod in sorted(pods, key=lambda pod: pod.status.pod_ip):
        if not pod.status.pod_ip or has_ended(pod):
            continue
        if selector.matches(pod.metadata.labels):
            ports = tuple(port for port in (_resolved(port, pod) for port in service.spec.ports) if port is not None)
            if service.spec.ports and not ports:
                # It has none of the named ports: there is nothing to send it.
                continue
            groups.setdefault(ports, []).append((pod, unready_too or (is_ready(pod) and not _is_ending(pod))))
    return dict(sorted(groups.items(), key=repr))


def _is_ending(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _resolved(port: ServicePort, pod: Pod) -> tuple[str, int, str, str | None] | None:
    """A service's port as a pod serves it; None when the pod has no port of that name."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return port.name, target, port.protocol, port.app_protocol
    sidecars = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
    for container in (*pod.spec.containers, *sidecars):
        for offered in container.ports:
            if offered.name == target and offered.protocol == port.protocol:
                return port.name, offered.container_port, port.protocol, port.app_protocol
    return None


def subsets(groups: Groups, service_name: str) -> list[EndpointSubset]:
    """As Endpoints know no terminating state, a pod that ends is left out of them; slices keep it."""
    staying = {
        ports: [(pod, ready) for pod, ready in placed if ready or not _is_ending(pod)]
        for ports, placed in groups.items()
    }
    return [
        EndpointSubset(
            addresses=[_address(pod, service_name) for pod, ready in placed if ready],
            not_ready_addresses=[_address(pod, service_name) for pod, ready in placed if not ready],
            ports=[EndpointPort(name=n, port=p, protocol=proto, app_protocol=app) for n, p, proto, app in ports],
        )
        for ports, placed in staying.items()
        if placed
    ]


def bounded(subsets: Sequence[EndpointSubset]) -> list[EndpointSubset]:
    """At most 1,000 addresses: of each subset its share, rounded up while there is room, and ready ones before
    others."""
    ready = _shared_out([len(one.addresses) for one in subsets], MOST_ADDRESSES)
    others = _shared_out([len(one.not_ready_addresses) for one in subsets], MOST_ADDRESSES - sum(ready))
    kept = [
        msgspec.structs.replace(
            one, addresses=one.addresses[:first], not_ready_addresses=one.not_ready_addresses[:second]
        )
        for one, first, second in zip(subsets, ready, others, strict=True)
    ]
    return [one for one in kept if one.addresses or one.not_ready_addresses]


def _shared_out(counts: Sequence[int], room: int) -> list[int]:
    total, shares = sum(counts), list[int]()
    for count in counts:
        share = count if total <= room else -(-count * room // total)
        shares.append(min(share, room - sum(shares)))
    return shares


def labels(service: Service) -> dict[str, str]:
    """Those of the service; a headless one can be told by a mark."""
    return {**service.metadata.labels, **({_HEADLESS: ""} if service.spec.cluster_ip == "None" else {})}


def _hostname(pod: Pod, service_name: str) -> str:
    return pod.spec.hostname if pod.spec.subdomain == service_name else ""


def _target(pod: Pod) -> ObjectReference:
    return ObjectReference(kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid)


def _address(pod: Pod, service_name: str) -> EndpointAddress:
    return EndpointAddress(
        ip=pod.status.pod_ip,
        hostname=_hostname(pod, service_name),
        node_name=pod.spec.node_name or None,
        target_ref=_target(pod),
    )


def slices(
    service: Service,
    groups: Groups,
    known: Mapping[str, Collection[str]] | None = None,
    zone_of: Callable[[str], str] = lambda _node: "",
) -> list[EndpointSlice]:
    """The slices of a service, each of at most 100 endpoints; their names follow from ports and a number.

    known: of each slice that there is, the UIDs of its pods. They stay where they are, so that one pod more or less
    changes one slice; only when half as many slices would do are all dealt out anew. A service without pods has one
    slice with nothing in it, as in Kubernetes: it tells those who wait for the service that it was looked at.
    """
    made: list[EndpointSlice] = []
    for ports, placed in groups.items():
        names = [_name(service, ports, number) for number in range(len(known or ()) + len(placed) // SLICE_SIZE + 1)]
        shares = _shares(names, placed, known or {})
        if len(shares) > 2 * -(-len(placed) // SLICE_SIZE):
            shares = _shares(names, placed, {})
        made += [_slice(service, name, ports, share, zone_of) for name, share in shares.items()]
    return made or [_slice(service, _name(service, (), 0), (), [], zone_of)]


def _shares(
    names: Sequence[str], placed: Sequence[_Placed], known: Mapping[str, Collection[str]]
) -> dict[str, list[_Placed]]:
    """Who stands in which slice; only slices that are not empty."""
    home = {uid: name for name in names for uid in known.get(name, ())}
    shares: dict[str, list[_Placed]] = {name: [] for name in names}
    rest: list[_Placed] = []
    for one in placed:
        share = shares.get(home.get(one[0].metadata.uid, ""), rest)
        (share if share is rest or len(share) < SLICE_SIZE else rest).append(one)
    for share in shares.values():
        room = SLICE_SIZE - len(share)
        share += rest[:room]
        rest = rest[room:]
        share.sort(key=lambda one: one[0].status.pod_ip)
    return {name: share for name, share in shares.items() if share}


def _name(service: Service, ports: _Ports, number: int) -> str:
    return f"{service.metadata.name}-{hashlib.sha256(repr((ports, number)).encode()).hexdigest()[:5]}"


def _slice(
    service: Service, name: str, ports: _Ports, placed: Sequence[_Placed], zone_of: Callable[[str], str]
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(
            name=name,
            namespace=service.metadata.namespace,
            labels={**labels(service), SERVICE_LABEL: service.metadata.name, MANAGER_LABEL: MANAGER},
            owner_references=[reference(service)],
        ),
        address_type="IPv4",
        endpoints=[
            _endpoint(pod, service.metadata.name, zone_of(pod.spec.node_name), ready=ready) for pod, ready in placed
        ],
        ports=[SlicePort(name=n, port=p, protocol=proto, app_protocol=app) for n, p, proto, app in ports],
    )


def _endpoint(pod: Pod, service_name: str, zone: str, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[pod.status.pod_ip],
        conditions=EndpointConditions(ready=ready, serving=is_ready(pod), terminating=_is_ending(pod)),
        hostname=_hostname(pod, service_name) or None,
        target_ref=_target(pod),
        node_name=pod.spec.node_name or None,
        zone=zone or None,
    )


def pod_uids(item: EndpointSlice) -> set[str]:
    return {one.target_ref.uid for one in item.endpoints if one.target_ref is not None}
