"""Service controller: gives services of type LoadBalancer an address, and tells of numbers that two services have.

The address is the one in ``spec.loadBalancerIP``, or the first free one of the pool; it stands in
``status.loadBalancer.ingress``, and nowhere else: what is taken is read from the services that there are. Of two
services with one address the older keeps it. A service with a ``loadBalancerClass`` is another controller's.
"""

from typing import Any

from api.core import Service
from api.errors import NotFound
from api.pools import Pool, is_for_hosts
from client import Client, EventRecorder
from master.controllers.informers import BY_ADDRESS, BY_NODE_PORT, Informers, balancer_addresses
from master.controllers.loop import Key, Loop

_FAILED = "SyncLoadBalancerFailed"


class ServiceController:
    """One worker: addresses are given out one after the other."""

    name = "service"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, pool: Pool) -> None:
        self._client = client
        self._services = informers.services
        self._recorder = recorder
        self._pool = pool
        self._given: dict[Key, str] = {}
        self._waiting: set[Key] = set()
        # What was told of a service: once is enough.
        self._told: dict[Key, set[str]] = {}
        self.loop = Loop(self.name, self.reconcile, workers=1)
        self._services.add_listener(self._service_changed)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        service = new or old
        if service is None:
            return
        self.loop.queue.add(_key(service))
        if old is not None and (new is None or balancer_addresses(old) != balancer_addresses(new)):
            for key in tuple(self._waiting):
                self.loop.queue.add(key)

    def reconcile(self, key: Key) -> str:
        self._waiting.discard(key)
        service = self._services.get(*key)
        if service is None:
            self._given.pop(key, None)
            self._told.pop(key, None)
            return ""
        self._tell_of_doubles(service)
        if service.spec.type == "LoadBalancer" and service.spec.load_balancer_class:
            return ""
        present = balancer_addresses(service)
        if service.spec.type != "LoadBalancer":
            return self._write(service, "") if present else ""
        # Before it looks: it must hear of what is given back meanwhile.
        self._waiting.add(key)
        address = self._address(service)
        if address:
            self._waiting.discard(key)
        if present == ([address] if address else []):
            return ""
        return self._write(service, address)

    def _address(self, service: Service) -> str:
        """Empty when it cannot have one."""
        asked = service.spec.load_balancer_ip
        if asked:
            return self._asked(service, asked)
        if not self._pool:
            return ""
        taken = self._taken(service)
        mine = [one for one in self._has(service) if one in self._pool and one not in taken]
        address = mine[0] if mine else self._pool.free(taken)
        if address is None:
            self._tell(service, _FAILED, "no free address left in the pool")
            return ""
        return address

    def _asked(self, service: Service, asked: str) -> str:
        if not is_for_hosts(asked):
            self._tell(service, _FAILED, f"{asked} is no address for a load balancer")
            return ""
        if asked in self._taken(service):
            self._tell(service, _FAILED, f"{asked} is the address of another service")
            return ""
        return asked

    def _has(self, service: Service) -> list[str]:
        given = self._given.get(_key(service))
        return balancer_addresses(service) or ([given] if given else [])

    def _taken(self, service: Service) -> set[str]:
        """Addresses of others, but not those that this one, as the older, keeps."""
        mine, taken = set(balancer_addresses(service)), set[str]()
        for other in self._services.items():
            if _key(other) != _key(service):
                younger = _age(service) < _age(other)
                taken |= {one for one in self._has(other) if not (younger and one in mine)}
        return taken

    def _write(self, service: Service, address: str) -> str:
        meta = service.metadata
        if address:
            self._given[_key(service)] = address
        else:
            self._given.pop(_key(service), None)
        ingress: list[dict[str, Any]] = [{"ip": address, "ipMode": "VIP"}] if address else []
        patch = {
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "status": {"loadBalancer": {"ingress": ingress or None}},
        }
        try:
            self._client.patch(Service, meta.name, meta.namespace, patch, subresource="status", form="merge")
        except NotFound:
            return ""
        if not address:
            return "took the address back"
        self._told.pop(_key(service), None)
        self._recorder.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
        return f"gave it {address}"

    # Numbers that must be unique. The API server sees to it; only state from elsewhere can bring doubles.

    def _tell_of_doubles(self, service: Service) -> None:
        address = service.spec.cluster_ip
        if address not in ("", "None") and len(self._services.indexed(BY_ADDRESS, address)) > 1:
            said = f"Cluster IP [IPv4]: {address} was assigned to multiple services; please recreate service"
            self._tell(service, "ClusterIPAlreadyAllocated", said)
        for port in service.spec.ports:
            if port.node_port and len(self._services.indexed(BY_NODE_PORT, str(port.node_port))) > 1:
                said = f"Port {port.node_port} was assigned to multiple services; please recreate service"
                self._tell(service, "PortAlreadyAllocated", said)

    def _tell(self, service: Service, reason: str, said: str) -> None:
        told = self._told.setdefault(_key(service), set())
        if said not in told:
            told.add(said)
            self._recorder.event(service, "Warning", reason, said)


def _key(service: Service) -> Key:
    return service.metadata.namespace, service.metadata.name


def _age(service: Service) -> tuple[str, str]:
    """Sorts the older first."""
    return str(service.metadata.creation_timestamp), service.metadata.uid
