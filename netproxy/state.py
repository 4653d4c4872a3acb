"""What a proxy leaves for the next one: the last known services and the ports it used.

With it a restart serves at once, also while the master is away, and on the same ports, so that rules written before
stay true. A file that is missing or damaged costs only that: the proxy then waits for the master.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from client.files import write_atomically
from netproxy.services import Desired, HealthCheck, PortName, ServicePort

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The content of the file."""

    refuse_port: int = 0
    cluster_port: int = 0
    services: tuple[tuple[ServicePort, int], ...] = ()
    """Each with its proxy port."""
    health_checks: tuple[HealthCheck, ...] = ()
    pod_cidrs: tuple[str, ...] = ()

    @property
    def desired(self) -> Desired:
        """What was served."""
        ports = {service.name: service for service, _port in self.services}
        return Desired(ports=ports, health_checks=self.health_checks, pod_cidrs=self.pod_cidrs)

    @property
    def proxy_ports(self) -> dict[PortName, int]:
        """The proxy ports by name."""
        return {service.name: port for service, port in self.services}

    @staticmethod
    def of(desired: Desired, proxy_ports: Mapping[PortName, int], *, refuse_port: int, cluster_port: int = 0) -> State:
        """The state that serves this; where no proxy port is used, it is 0."""
        return State(
            refuse_port=refuse_port,
            cluster_port=cluster_port,
            services=tuple((service, proxy_ports.get(name, 0)) for name, service in sorted(desired.ports.items())),
            health_checks=desired.health_checks,
            pod_cidrs=desired.pod_cidrs,
        )


def read_state(path: Path) -> State:
    """The last state; an empty one when there is none that can be used."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.DecodeError) as error:
        log.warning("state not usable, starting without file=%s error=%s", path, error)
        return State()


class StateFile:
    """The file; written only when its content changes. `last`: what was read from it."""

    def __init__(self, path: Path, last: State) -> None:
        self._path = path
        self._last = last

    def write(self, state: State) -> None:
        """Replace the file in one step. Not synced to the disk: a file that a power cut damaged costs a wait for the
        master, syncing would cost every change of an endpoint. Raises OSError.
        """
        if state == self._last:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, msgspec.json.encode(state), durable=False)
        self._last = state


def remove_state(path: Path) -> bool:
    """Delete the file; False when there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
