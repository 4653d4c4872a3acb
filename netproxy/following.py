"""What is wanted, kept current: a service that changed is translated anew, all others stay as they are."""

from __future__ import annotations

from collections.abc import Iterable

from netproxy.endpoints import Here
from netproxy.services import Desired, HealthCheck, LeftOut, PortName, ServicePort
from netproxy.sources import Key, Source
from netproxy.translate import translate


class Following:
    """The desired state as a source tells it. For one thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ports: dict[PortName, ServicePort] = {}
        self._names: dict[Key, list[PortName]] = {}
        self._checks: dict[Key, tuple[HealthCheck, ...]] = {}
        self._left_out: dict[Key, tuple[LeftOut, ...]] = {}
        self._here: Here | None = None
        """None: nothing is known yet, or the last translation failed."""

    def desired(self) -> Desired:
        """What is wanted now."""
        keys = self._source.changed()
        here, self._here = self._here, None
        whole = here is None or keys is None
        objects = self._source.read(None if whole else keys)
        if not whole and objects.here != here:
            whole, objects = True, self._source.read()
        if keys is None or whole:
            self._ports, self._names, self._checks, self._left_out = {}, {}, {}, {}
            keys = set()
        self._take(keys, translate(objects))
        self._here = objects.here
        checks = tuple(check for key in sorted(self._checks) for check in self._checks[key])
        return Desired(
            ports=dict(self._ports),
            health_checks=checks,
            pod_cidrs=objects.here.pod_cidrs,
            left_out=tuple(one for told in self._left_out.values() for one in told),
        )

    def _take(self, gone: Iterable[Key], fresh: Desired) -> None:
        for key in gone:
            self._checks.pop(key, None)
            self._left_out.pop(key, None)
            for name in self._names.pop(key, ()):
                del self._ports[name]
        for name, port in fresh.ports.items():
            self._names.setdefault((name.namespace, name.service), []).append(name)
            self._ports[name] = port
        for one in fresh.left_out:
            key = (one.namespace, one.service)
            self._left_out[key] = (*self._left_out.get(key, ()), one)
        for check in fresh.health_checks:
            key = (check.namespace, check.service)
            self._checks[key] = (*self._checks.get(key, ()), check)
