"""`healthCheckNodePort`: tells a load balancer outside whether this node has endpoints of a service (policy Local).

The answer is kube-proxy's, whatever the path: 200 with local endpoints, 503 without, and the number of them. Each port
has a thread; there are as many as services of type LoadBalancer with the policy Local.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus

from client.httpport import Answer, HttpPort
from netproxy.services import HealthCheck

_Key = tuple[str, str, int]


class HealthChecks:
    """The ports that are open. For one control thread."""

    def __init__(self, *, healthy: Callable[[], bool]) -> None:
        self._healthy = healthy
        self._open: dict[_Key, _CheckPort] = {}

    def apply(self, wanted: Sequence[HealthCheck]) -> list[tuple[HealthCheck, str]]:
        """Have exactly these ports; returns those that cannot be had, each with why."""
        by_key = {(one.namespace, one.service, one.port): one for one in wanted}
        for key in self._open.keys() - by_key.keys():
            self._open.pop(key).port.stop()
        failed = []
        for key, one in by_key.items():
            if key in self._open:
                self._open[key].check = one
                continue
            try:
                self._open[key] = _CheckPort(one, self._healthy)
            except OSError as error:
                failed.append((one, error.strerror or str(error)))
        return failed

    def stop(self) -> None:
        """Close all."""
        self.apply(())


class _CheckPort:
    """Answers from now on for `check`, which may be replaced. Raises OSError."""

    def __init__(self, check: HealthCheck, healthy: Callable[[], bool]) -> None:
        self.check = check
        self._healthy = healthy
        self.port = HttpPort("0.0.0.0", check.port, self._answer, name=f"netproxy-check-{check.port}")
        self.port.start()

    def _answer(self, path: str) -> Answer:  # noqa: ARG002  kube-proxy answers any path
        check, healthy = self.check, self._healthy()
        body = {
            "service": {"namespace": check.namespace, "name": check.service},
            "localEndpoints": check.local_endpoints,
            "serviceProxyHealthy": healthy,
        }
        return Answer(
            HTTPStatus.OK if check.local_endpoints and healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            json.dumps(body).encode(),
            "application/json",
            {"X-Load-Balancing-Endpoint-Weight": str(check.local_endpoints)},
        )
