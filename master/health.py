"""The port of the controllers and of the scheduler: /healthz, /livez, /readyz and /metrics, read only.

Plain HTTP, on loopback unless told otherwise. /healthz gives 200 ``ok`` when nothing is wrong, also for a copy that
stands by, and 500 with what is wrong otherwise; the others are the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from client import ElectionSettings
from client.httpport import Answer, HttpPort, by_path
from client.meters import Meters
from master.metrics import METERS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_HEALTH = ("/healthz", "/livez", "/readyz")
Problems = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings(ElectionSettings):
    """The settings of the port, after those of the election; a component's own ``Config`` inherits them."""

    healthz_bind_address: str = field(default="127.0.0.1", metadata={"help": "address of the health and metrics port"})
    healthz_port: int = field(default=0, metadata={"help": "port of /healthz and /metrics, plain HTTP; 0: none"})

    def health_problems(self) -> list[str]:
        return [] if 0 <= self.healthz_port < 65536 else ["healthz-port: must be from 0 to 65535"]


@contextmanager
def health_port(settings: HealthSettings, problems: Problems, *meters: Meters) -> Iterator[None]:
    """Answers while the block runs; not at all when the port is 0. ``meters`` are the component's own, beside those
    that both have. Raises OSError when the port is taken."""
    if not settings.healthz_port:
        yield
        return
    routes = dict.fromkeys(_HEALTH, lambda: _health(problems()))
    answer = by_path({**routes, "/metrics": lambda: _metrics(meters)})
    port = HttpPort(settings.healthz_bind_address, settings.healthz_port, answer, name="health")
    port.start()
    try:
        yield
    finally:
        port.stop()


def _health(wrong: list[str]) -> Answer:
    if not wrong:
        return Answer(HTTPStatus.OK, b"ok")
    return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "".join(f"[-]{one}\n" for one in wrong).encode())


def _metrics(meters: tuple[Meters, ...]) -> Answer:
    from client.showing import exposition

    return exposition(_registry(meters))


@cache
def _registry(meters: tuple[Meters, ...]) -> "CollectorRegistry":
    """Made, and the library for it loaded, for the first who asks."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    from client.showing import show

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    show(registry, METERS, *meters)
    return registry
