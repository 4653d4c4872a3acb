"""Where services and endpoints come from: a master's API, followed by list and watch.

The seam is `Source`: `files` has another one, for a balancer without a master. A source wakes its listener whenever
something may have changed, and tells which services it was about.
"""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from api.core import Endpoints, Node, Service
from api.discovery import EndpointSlice
from api.errors import ApiError, NotFound
from api.meta import Object
from client import Client, Informer, Unreachable
from netproxy.changes import Changes
from netproxy.endpoints import ZONE_LABEL, Here, is_ipv4
from netproxy.translate import SERVICE_LABEL, Objects

log = logging.getLogger(__name__)

_BY_SERVICE = "service"
SLICES_PATH = "/apis/discovery.k8s.io/v1"


Key = tuple[str, str]
"""Namespace and name of a service."""


class Source(Protocol):
    """Where a proxy gets its objects from."""

    def start(self) -> None:
        """Begin to follow."""

    def stop(self) -> None:
        """End it."""

    def synced(self) -> bool:
        """Whether everything was seen once; asked again and again until it is so."""

    def changed(self) -> set[Key] | None:
        """The services that may have changed since the last call; None: all."""

    def read(self, only: set[Key] | None = None) -> Objects:
        """What is there now, of these services if some are named."""

    def service(self, namespace: str, name: str) -> Service | None:
        """One service, to tell events about."""


class ApiSource:
    """The objects of an API server. One without EndpointSlices (before 1.21) is followed by Endpoints alone."""

    def __init__(self, client: Client, node_name: str, changes: Changes) -> None:
        self._client = client
        self._node_name = node_name
        self._services = Informer(client, Service, on_change=self._service_changed)
        self._slices = Informer(client, EndpointSlice, on_change=self._slice_changed)
        self._slices.add_index(_BY_SERVICE, lambda one: ["/".join(service_of(one))])
        self._endpoints = Informer(client, Endpoints, on_change=self._endpoints_changed)
        self._node = Informer(client, Node, fields=f"metadata.name={node_name}", on_change=self._node_changed)
        self._lock = threading.Lock()
        self._changed: set[Key] | None = None
        self._changes = changes
        self._slices_served: bool | None = None
        """None: not known yet."""

    def start(self) -> None:
        """Begin to follow."""
        for informer in (self._services, self._endpoints, self._node):
            informer.start()

    def stop(self) -> None:
        """End it."""
        for informer in (self._services, self._slices, self._endpoints, self._node):
            informer.stop()

    def synced(self) -> bool:
        """Whether everything was listed. The node is not waited for: a proxy also works where it may not read it."""
        if not (self._services.synced and self._endpoints.synced):
            return False
        if self._slices_served is None:
            self._slices_served = self._ask_for_slices()
            if self._slices_served:
                self._slices.start()
        return self._slices_served is False or self._slices.synced

    def changed(self) -> set[Key] | None:
        """The services that may have changed since the last call; None: all."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def read(self, only: set[Key] | None = None) -> Objects:
        """What is there now."""
        if only is None:
            return Objects(
                services=self._services.items(),
                slices=self._slices.items(),
                endpoints=self._endpoints.items(),
                here=self._here(),
            )
        return Objects(
            services=[service for key in only if (service := self._services.get(*key)) is not None],
            slices=[one for key in only for one in self._slices.indexed(_BY_SERVICE, "/".join(key))],
            endpoints=[found for key in only if (found := self._endpoints.get(*key)) is not None],
            here=self._here(),
        )

    def service(self, namespace: str, name: str) -> Service | None:
        """One service as last seen."""
        return self._services.get(namespace, name)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._mark(_names(old, new))
        self._changes.service()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._mark({service_of(one) for one in (old, new) if one is not None})
        self._changes.endpoints(new)

    def _endpoints_changed(self, old: Endpoints | None, new: Endpoints | None) -> None:
        self._mark(_names(old, new))
        if self._slices_served:  # they tell the same
            self._changes.other()
        else:
            self._changes.endpoints(new)

    def _mark(self, keys: set[Key] | None) -> None:
        """Note whom a change is about, None for all."""
        with self._lock:
            if keys is None:
                self._changed = None
            elif self._changed is not None:
                self._changed |= keys

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """A node changes every few seconds, with its heartbeat; what is read of it hardly ever does."""
        if old is None or new is None or _place(old) != _place(new):
            self._mark(None)
            self._changes.other()

    def _here(self) -> Here:
        node = self._node.get("", self._node_name)
        return _place(node) if node is not None else Here(node=self._node_name)

    def _ask_for_slices(self) -> bool | None:
        try:
            self._client.transport.request("GET", SLICES_PATH)
        except NotFound:
            log.info("the server has no EndpointSlices, following Endpoints")
            return False
        except (ApiError, Unreachable) as error:
            log.warning("not known whether the server has EndpointSlices, asking again error=%s", error)
            return None
        return True


def _names(*versions: Object | None) -> set[Key]:
    return {(one.metadata.namespace, one.metadata.name) for one in versions if one is not None}


def service_of(one: EndpointSlice) -> Key:
    """The service that a slice belongs to."""
    return one.metadata.namespace, one.metadata.labels.get(SERVICE_LABEL, "")


def _place(node: Node) -> Here:
    spec = node.spec
    cidrs = spec.pod_cidrs or ([spec.pod_cidr] if spec.pod_cidr else [])
    return Here(
        node=node.metadata.name,
        zone=node.metadata.labels.get(ZONE_LABEL, ""),
        pod_cidrs=tuple(cidr for cidr in cidrs if is_ipv4(cidr.partition("/")[0])),
    )
