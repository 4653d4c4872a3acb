"""Where services and endpoints come from: a master's API, followed by list and watch.

The seam is `Source`: `files` has another one, for a balancer without a master. A source wakes its listener whenever
something may have changed; what is there is read whole, each time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from api.core import Endpoints, Node, Service
from api.discovery import EndpointSlice
from api.errors import ApiError, NotFound
from client import Client, Informer, Unreachable
from netproxy.endpoints import ZONE_LABEL, Here, is_ipv4
from netproxy.translate import Objects

log = logging.getLogger(__name__)

SLICES_PATH = "/apis/discovery.k8s.io/v1"


class Source(Protocol):
    """Where a proxy gets its objects from."""

    def start(self) -> None:
        """Begin to follow."""

    def stop(self) -> None:
        """End it."""

    def synced(self) -> bool:
        """Whether everything was seen once; asked again and again until it is so."""

    def read(self) -> Objects:
        """What is there now."""

    def service(self, namespace: str, name: str) -> Service | None:
        """One service, to tell events about."""


class ApiSource:
    """The objects of an API server. One without EndpointSlices (before 1.21) is followed by Endpoints alone."""

    def __init__(self, client: Client, node_name: str, on_change: Callable[[], None]) -> None:
        def changed(_old: object, _new: object) -> None:
            on_change()

        self._client = client
        self._node_name = node_name
        self._services = Informer(client, Service, on_change=changed)
        self._slices = Informer(client, EndpointSlice, on_change=changed)
        self._endpoints = Informer(client, Endpoints, on_change=changed)
        self._node = Informer(client, Node, fields=f"metadata.name={node_name}", on_change=self._node_changed)
        self._on_change = on_change
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

    def read(self) -> Objects:
        """What is there now."""
        return Objects(
            services=self._services.items(),
            slices=self._slices.items(),
            endpoints=self._endpoints.items(),
            here=self._here(),
        )

    def service(self, namespace: str, name: str) -> Service | None:
        """One service as last seen."""
        return self._services.get(namespace, name)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """A node changes every few seconds, with its heartbeat; what is read of it hardly ever does."""
        if old is None or new is None or _place(old) != _place(new):
            self._on_change()

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


def _place(node: Node) -> Here:
    spec = node.spec
    cidrs = spec.pod_cidrs or ([spec.pod_cidr] if spec.pod_cidr else [])
    return Here(
        node=node.metadata.name,
        zone=node.metadata.labels.get(ZONE_LABEL, ""),
        pod_cidrs=tuple(cidr for cidr in cidrs if is_ipv4(cidr.partition("/")[0])),
    )
