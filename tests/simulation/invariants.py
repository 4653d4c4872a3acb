"""What must hold in a cluster that has settled. Each check returns what is wrong, in sentences."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from api.apps import Deployment, ReplicaSet
from api.core import Endpoints, Namespace, Node, Pod, ReplicationController, Service
from api.core.quota import ResourceQuota
from api.discovery import EndpointSlice
from api.meta import Object
from tests.simulation.world import World

_COUNT = re.compile(r"apiserver_request_total\{(.*)\} (\d+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WRITES = {"POST", "PUT", "PATCH", "DELETE", "CREATE", "UPDATE", "APPLY", "DELETECOLLECTION"}


class Found:
    """All that the API tells, at about one moment."""

    def __init__(self, world: World) -> None:
        def listed(kind: type[Any]) -> list[Any]:
            return world.admin.list(kind).items

        self.pods: list[Pod] = listed(Pod)
        self.nodes: list[Node] = listed(Node)
        self.controllers: list[ReplicationController] = listed(ReplicationController)
        self.sets: list[ReplicaSet] = listed(ReplicaSet)
        self.deployments: list[Deployment] = listed(Deployment)
        self.services: list[Service] = listed(Service)
        self.endpoints: list[Endpoints] = listed(Endpoints)
        self.slices: list[EndpointSlice] = listed(EndpointSlice)
        self.namespaces: list[Namespace] = listed(Namespace)
        self.quotas: list[ResourceQuota] = listed(ResourceQuota)


def wrong(world: World) -> list[str]:
    """Everything that does not hold now."""
    found = Found(world)
    checks = (counts, places, addresses, orphans, endpoints, quotas, rest)
    return [said for check in checks for said in check(world, found)]


def counts(world: World, found: Found) -> Iterator[str]:
    """As many pods as wanted, all of them running and ready; what the statuses say is so."""
    for kind, wanted, have in (
        ("rc", world.controllers, {_key(one): one for one in found.controllers}),
        ("deployment", world.deployments, {_key(one): one for one in found.deployments}),
    ):
        yield from _difference(kind, wanted, have)
        for key, replicas in wanted.items():
            if (owner := have.get(key)) is None:
                continue
            pods = [pod for pod in found.pods if pod.metadata.labels.get("app") == key[1] and _space(pod) == key[0]]
            if len(pods) != replicas or not all(_is_ready(pod) for pod in pods):
                names = [(pod.metadata.name, pod.spec.node_name, pod.status.phase) for pod in pods]
                yield f"{kind} {key}: wanted {replicas}, has {names}"
            status: Any = owner.status
            if (status.replicas, status.ready_replicas) != (replicas, replicas):
                yield f"{kind} {key}: wanted {replicas}, its status says {status.replicas}, {status.ready_replicas}"
            if status.observed_generation != owner.metadata.generation:
                yield f"{kind} {key}: generation {status.observed_generation} of {owner.metadata.generation} observed"


def places(world: World, found: Found) -> Iterator[str]:
    """Each pod runs where its spec says and nowhere else, and nothing runs that is not wanted."""
    runs = Counter(uid for node in world.nodes.values() for uid in node.running())
    yield from (f"pod {uid} runs on {times} nodes" for uid, times in runs.items() if times > 1)
    by_uid = {pod.metadata.uid: pod for pod in found.pods}
    for name, node in world.nodes.items():
        for uid in node.running():
            if uid not in by_uid:
                yield f"node {name} runs {uid}, which is no pod"
            elif by_uid[uid].spec.node_name != name:
                yield f"node {name} runs {by_uid[uid].metadata.name} of node {by_uid[uid].spec.node_name}"
    for pod in found.pods:
        if pod.metadata.deletion_timestamp is not None:
            yield f"pod {_key(pod)} is on its way out"
    known = {node.metadata.name for node in found.nodes}
    yield from (f"node {name} is there" for name in known ^ set(world.nodes))
    used: Counter[str] = Counter(pod.spec.node_name for pod in found.pods)
    yield from (f"node {name} has {count} pods" for name, count in used.items() if count > 60)
    yield from (f"node {one.metadata.name} has taints {one.spec.taints}" for one in found.nodes if one.spec.taints)


def addresses(_: World, found: Found) -> Iterator[str]:
    """Nothing was given twice."""
    ports = [port.node_port for one in found.services for port in one.spec.ports if port.node_port]
    balancers = [place.ip for one in found.services for place in one.status.load_balancer.ingress]
    yield from _doubles("pod address", (pod.status.pod_ip for pod in found.pods))
    yield from _doubles("cluster address", (one.spec.cluster_ip for one in found.services))
    yield from _doubles("node port", map(str, ports))
    yield from _doubles("balancer address", balancers)
    yield from _doubles("pod range", (node.spec.pod_cidr for node in found.nodes))
    for one in found.services:
        lacks = not one.spec.cluster_ip
        lacks |= one.spec.type in ("NodePort", "LoadBalancer") and not all(port.node_port for port in one.spec.ports)
        lacks |= one.spec.type == "LoadBalancer" and not one.status.load_balancer.ingress
        if lacks:
            yield f"service {_key(one)} of type {one.spec.type} lacks an address or port"


def orphans(world: World, found: Found) -> Iterator[str]:
    """Whose owner is gone, and what is left of a namespace that is gone."""
    owners = {one.metadata.uid for one in (*found.controllers, *found.sets, *found.deployments)}
    owners |= {one.metadata.uid for one in (*found.services, *found.nodes)}
    for item in (*found.pods, *found.sets, *found.slices):
        for owner in item.metadata.owner_references:
            if owner.uid not in owners:
                yield f"{type(item).__name__} {_key(item)} is owned by {owner.kind} {owner.name}, which is gone"
        if not item.metadata.owner_references and not isinstance(item, EndpointSlice):
            yield f"{type(item).__name__} {_key(item)} has no owner"
    system = {"kube-system", "kube-public", "kube-node-lease"}
    spaces = {one.metadata.name for one in found.namespaces} - system
    yield from (f"namespace {name} is there or not against the wish" for name in spaces ^ world.namespaces)
    for item in (*found.pods, *found.sets, *found.controllers, *found.services, *found.endpoints, *found.slices):
        if _space(item) not in spaces | system:
            yield f"{type(item).__name__} {_key(item)} is in a namespace that is gone"


def endpoints(world: World, found: Found) -> Iterator[str]:
    """Every service leads to its ready pods, and to no others."""
    services = {_key(one): one for one in found.services if one.spec.selector}
    yield from _difference("service", world.services, services)
    objects = {_key(one): one for one in found.endpoints}
    yield from (f"endpoints {key} without a service" for key in objects if key not in {_key(s) for s in found.services})
    for key, service in services.items():
        pods = [pod for pod in found.pods if _space(pod) == key[0] and _matches(service, pod) and _is_ready(pod)]
        wanted = sorted(pod.status.pod_ip for pod in pods)
        subsets = objects[key].subsets if key in objects else []
        has = sorted(address.ip for subset in subsets for address in subset.addresses)
        if has != wanted:
            yield f"endpoints {key} are {has}, the ready pods {wanted}"
        name = "kubernetes.io/service-name"
        mine = [one for one in found.slices if _space(one) == key[0] and one.metadata.labels.get(name) == key[1]]
        sliced = sorted(ip for one in mine for end in one.endpoints if end.conditions.ready for ip in end.addresses)
        if sliced != wanted:
            yield f"slices of {key} are {sliced}, the ready pods {wanted}"


def quotas(world: World, found: Found) -> Iterator[str]:
    """Usage is what there is, and never more than allowed."""
    for quota in found.quotas:
        space = _space(quota)
        pods = [pod for pod in found.pods if _space(pod) == space]
        millis = sum(int(str(pod.spec.containers[0].resources.requests["cpu"]).removesuffix("m")) for pod in pods)
        services = sum(_space(one) == space for one in found.services)
        wanted = {"pods": len(pods) * 1000, "services": services * 1000, "requests.cpu": millis}
        used = {name: _millis(amount) for name, amount in quota.status.used.items()}
        if used != wanted:
            yield f"quota of {space} says {used}, there are {wanted}"
        if len(pods) > world.quotas.get(space, 0):
            yield f"quota of {space} allows {world.quotas.get(space)} pods, there are {len(pods)}"


def rest(world: World, _: Found) -> Iterator[str]:
    yield from world.moved
    yield from (f"{name} ended by itself:\n{world.processes.log(name)}" for name in world.processes.ended())


def writes(world: World) -> Counter[str]:
    """How many writes the API server has taken or refused so far, but for heartbeats: leases."""
    text = world.admin.transport.request("GET", "/metrics", accept="*/*").decode()
    found: Counter[str] = Counter()
    for match in _COUNT.finditer(text):
        labels = dict(_LABEL.findall(match[1]))
        if labels["verb"] in _WRITES and labels.get("resource") != "leases":
            about = f"{labels['verb']} {labels.get('resource')}/{labels.get('subresource', '')} {labels.get('code')}"
            found[about] += int(match[2])
    return found


def written(world: World, for_s: float) -> Counter[str]:
    """What was written within some time in which nobody asked for anything."""
    before = writes(world)
    time.sleep(for_s)
    return writes(world) - before


def _difference(kind: str, wanted: Iterable[Any], have: Iterable[Any]) -> Iterator[str]:
    yield from (f"{kind} {key} is there or not against the wish" for key in set(wanted) ^ set(have))


def _doubles(what: str, values: Iterable[str | None]) -> Iterator[str]:
    counted = Counter(value for value in values if value and value != "None")
    yield from (f"{what} {value} was given {times} times" for value, times in counted.items() if times > 1)


def _matches(service: Service, pod: Pod) -> bool:
    return service.spec.selector.items() <= pod.metadata.labels.items()


def _is_ready(pod: Pod) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)


def _millis(amount: Any) -> int:
    text = str(amount)
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def _space(item: Object) -> str:
    return item.metadata.namespace


def _key(item: Object) -> tuple[str, str]:
    return item.metadata.namespace, item.metadata.name
