"""The pod network: one Docker bridge network with the node's pod CIDR.

Docker gives out its addresses (each once at a time, also across restarts of the agent) and brings the forward rules
that it needs beside its own DROP. Adopted when it is there; made again when the CIDR has changed and no pod is on it.
A network of the same name that is not ours is refused, not touched.
"""

import ipaddress
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure, RuntimeRefusal
from agent.runtime.records import CLUSTER

log = logging.getLogger(__name__)


class NetworkNotReady(Exception):
    """The pod network cannot be had now; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """The network as it is."""

    name: str
    cidr: str
    gateway: str


class NetworkKeeper:
    """Sees to it that the network is there. ``problem``: why it is not; empty when it is. ``on_change``: that changed.

    Until the API has told the CIDR, the network of an earlier run serves.
    """

    def __init__(self, docker: Docker, name: str, cidr: str, *, on_change: Callable[[], None]) -> None:
        self._docker = docker
        self._name = name
        self._on_change = on_change
        self._looking = threading.Lock()
        self.cidr = cidr
        self.problem = "the pod network has not been looked at yet"

    def look(self) -> None:
        """One at a time: one that began before Docker came must not tell its failure after one that succeeded."""
        with self._looking:
            before = self.problem
            try:
                ensure_network(self._docker, self._name, self.cidr)
                self.problem = ""
            except (NetworkNotReady, RuntimeFailure) as error:
                self.problem = f"pod network: {error}"
            changed = before != self.problem
        if changed:
            self._on_change()


def ensure_network(docker: Docker, name: str, cidr: str) -> PodNetwork:
    """Adopts or makes the network. ``cidr`` empty: whatever our network has; NetworkNotReady if there is none."""
    for document in docker.networks(name):
        labels = document.get("Labels") or {}
        if labels.get(CLUSTER) != docker.cluster:
            raise NetworkNotReady(f"a Docker network {name!r} exists that is not ours: remove it, or set bridge")
        found = _network(name, document)
        if not cidr or found.cidr == cidr:
            return found
        if document.get("Containers"):
            raise NetworkNotReady(f"network {name!r} still has pods on {found.cidr}, wanted is {cidr}")
        log.info("pod network is made again name=%s old=%s new=%s", name, found.cidr, cidr)
        docker.remove_network(document["Id"])
    if not cidr:
        raise NetworkNotReady("the node has no pod CIDR yet: the controllers give it one")
    return _make(docker, name, cidr)


def _make(docker: Docker, name: str, cidr: str) -> PodNetwork:
    gateway = str(ipaddress.ip_network(cidr)[1])
    options = {"com.docker.network.bridge.name": name}
    if mtu := default_route_mtu():
        options["com.docker.network.driver.mtu"] = str(mtu)
    try:
        docker.create_network(name, subnet=cidr, gateway=gateway, options=options, labels={CLUSTER: docker.cluster})
    except RuntimeRefusal as error:
        raise NetworkNotReady(f"Docker cannot make network {name!r} with {cidr}: {error}") from error
    log.info("pod network made name=%s cidr=%s", name, cidr)
    return PodNetwork(name, cidr, gateway)


def _network(name: str, document: Mapping[str, Any]) -> PodNetwork:
    configs = (document.get("IPAM") or {}).get("Config") or [{}]
    return PodNetwork(name, configs[0].get("Subnet", ""), configs[0].get("Gateway", ""))


def default_route_mtu(*, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> int:
    """MTU of the interface that packets leave through: pods must not send larger ones. 0 without a default route."""
    try:
        for line in (proc / "net/route").read_text().splitlines()[1:]:
            interface, destination, *_ = line.split()
            if destination == "00000000":
                return int((sys / "class/net" / interface / "mtu").read_text())
    except (OSError, ValueError):
        return 0
    return 0
