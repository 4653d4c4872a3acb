"""What a proxy leaves for the next one: the last known services and the ports it used.

With it a restart serves at once, also while the master is away, and on the same ports, so that rules written before
stay true. A file that is missing or damaged costs only that: the proxy then waits for the master.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from netproxy.services import PortName, ServicePort, Wanted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The content of the file."""

    refuse_port: int = 0
    services: tuple[tuple[ServicePort, int], ...] = ()
    """Each with its proxy port."""

    @property
    def wanted(self) -> dict[PortName, ServicePort]:
        """The services by name."""
        return {service.name: service for service, _port in self.services}

    @property
    def proxy_ports(self) -> dict[PortName, int]:
        """The proxy ports by name."""
        return {service.name: port for service, port in self.services}

    @staticmethod
    def of(wanted: Wanted, proxy_ports: dict[PortName, int], refuse_port: int) -> State:
        """The state that serves these."""
        return State(
            refuse_port=refuse_port,
            services=tuple((service, proxy_ports[name]) for name, service in sorted(wanted.items())),
        )


class StateFile:
    """The file; written only when its content changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = b""

    def read(self) -> State:
        """The last state; an empty one when there is none that can be used."""
        try:
            content = self._path.read_bytes()
            state = msgspec.json.decode(content, type=State)
        except FileNotFoundError:
            return State()
        except (OSError, msgspec.DecodeError) as error:
            log.warning("state not usable, starting without file=%s error=%s", self._path, error)
            return State()
        self._content = content
        return state

    def write(self, state: State) -> None:
        """Replace the file in one step. Raises OSError."""
        content = msgspec.json.encode(state)
        if content == self._content:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_bytes(content)
        fresh.replace(self._path)
        self._content = content

    def remove(self) -> bool:
        """Delete the file; False when there was none."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        self._content = b""
        return True
