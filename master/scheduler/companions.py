"""Which pods are a pod's companions, among which it is spread by default: those of the same services and controller.

Followed only where a configuration has default constraints (``helper.DefaultSelector`` of Kubernetes, as its
PodTopologySpread asks for it).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from api.apps import ReplicaSet
from api.apps_sets import StatefulSet
from api.core import Pod, ReplicationController, Service
from api.meta import ObjectMeta
from api.placement import Labels
from api.selectors import Selector, Term, from_label_selector, from_map
from client import Client, Informer

_BY_NAMESPACE = "namespace"
_SETS = {"ReplicaSet": ReplicaSet, "StatefulSet": StatefulSet}


class Companions:
    """The copies of what selects pods; of each the selector is kept alone."""

    def __init__(self, client: Client) -> None:
        self._services = Informer(client, Service, keep=kept)
        self._services.add_index(_BY_NAMESPACE, lambda item: [item.metadata.namespace])
        self._replicated = Informer(client, ReplicationController, keep=kept)
        self._sets: dict[str, Informer[Any]] = {
            kind: Informer(client, found, keep=kept) for kind, found in _SETS.items()
        }
        self.informers: tuple[Informer[Any], ...] = (self._services, self._replicated, *self._sets.values())

    def of(self, pod: Pod) -> Selector:
        """Nothing in it where neither a service nor a controller selects the pod."""
        meta = pod.metadata
        equal = of_services(self._services.indexed(_BY_NAMESPACE, meta.namespace), meta.labels)
        terms: tuple[Term, ...] = ()
        owner = next((one for one in meta.owner_references if one.controller), None)
        if owner is not None and (owner.api_version, owner.kind) == ("v1", "ReplicationController"):
            controller = self._replicated.get(meta.namespace, owner.name)
            equal |= controller.spec.selector if controller is not None else {}
        elif owner is not None and owner.api_version == "apps/v1" and owner.kind in self._sets:
            found = self._sets[owner.kind].get(meta.namespace, owner.name)
            if found is not None and found.spec.selector is not None:
                terms = from_label_selector(found.spec.selector).terms
        return merged(equal, terms)


def of_services(services: Iterable[Service], labels: Labels) -> dict[str, str]:
    """What all services that lead to a pod with these labels select by."""
    found: dict[str, str] = {}
    for service in services:
        if service.spec.selector and service.spec.selector.items() <= labels.items():
            found |= service.spec.selector
    return found


def merged(equal: Mapping[str, str], terms: Iterable[Term]) -> Selector:
    return Selector(tuple(dict.fromkeys((*from_map(equal).terms, *terms))))


def kept(item: Any) -> Any:
    """The name and the selector."""
    meta: ObjectMeta = item.metadata
    item.metadata = ObjectMeta(
        name=meta.name, namespace=meta.namespace, uid=meta.uid, resource_version=meta.resource_version
    )
    item.spec = type(item.spec)(selector=item.spec.selector)
    return item
