"""`healthCheckNodePort`: tells a load balancer outside whether this node has endpoints of a service (policy Local).

The answer is kube-proxy's: 200 with local endpoints, 503 without, and the number of them. Each port is an HTTP server
with a thread; there are as many as services of type LoadBalancer with the policy Local. What serves them is loaded with
the first one: an HTTP server brings TLS and mail along, 6 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netproxy.services import HealthCheck

if TYPE_CHECKING:
    from netproxy.checkport import CheckPort

_Key = tuple[str, str, int]


class HealthChecks:
    """The ports that are open. For one control thread."""

    def __init__(self, *, healthy: Callable[[], bool]) -> None:
        self._healthy = healthy
        self._open: dict[_Key, CheckPort] = {}

    def apply(self, wanted: Sequence[HealthCheck]) -> list[tuple[HealthCheck, str]]:
        """Have exactly these ports; returns those that cannot be had, each with why."""
        by_key = {(one.namespace, one.service, one.port): one for one in wanted}
        for key in self._open.keys() - by_key.keys():
            self._open.pop(key).stop()
        failed = []
        for key, one in by_key.items():
            if key in self._open:
                self._open[key].check = one
                continue
            try:
                self._open[key] = _open(one, self._healthy)
            except OSError as error:
                failed.append((one, error.strerror or str(error)))
        return failed

    def stop(self) -> None:
        """Close all."""
        self.apply(())


def _open(check: HealthCheck, healthy: Callable[[], bool]) -> CheckPort:
    from netproxy.checkport import CheckPort

    return CheckPort(check, healthy)
