"""What is served where. One visible list; each handler turns a request into an answer.

`/healthz` says 200 while the cgroup tree can be read; a Docker daemon that is away does not make the monitor ill
(the containers known are still measured), it is told in the body and in a metric.
"""

import json
from collections.abc import Callable
from itertools import chain
from typing import Any

from cadvisor_lite import metrics, rest
from cadvisor_lite.choosing import Row, chosen, of_docker
from cadvisor_lite.config import Config
from cadvisor_lite.docker_watch import DockerWatch
from cadvisor_lite.http_server import Request, Response, text
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.page import render_page, static_file
from cadvisor_lite.routes_v2 import RoutesV2
from cadvisor_lite.tracked import Snapshot

_KINDS_V1 = ("containers", "docker", "events", "machine", "subcontainers")


class Routes:
    """Callable: Request -> Response."""

    def __init__(self, config: Config, monitor: Monitor, watch: DockerWatch, version: str) -> None:
        self._config = config
        self._monitor = monitor
        self._watch = watch
        self._version = version
        self._v2 = RoutesV2(config, monitor, watch, version)
        # The handler gets what follows the prefix.
        self._prefixes: tuple[tuple[str, Callable[[Request, str], Response]], ...] = (
            ("/api/v1.3/subcontainers", self._subcontainers),
            ("/api/v1.3/containers", self._containers),
            ("/api/v1.3/docker", self._docker),
            ("/api/v1.3/machine", self._machine),
            ("/api/v1.3/events", self._events),
            ("/api/v1.3", lambda *_: text(400, f'Supported request types: "{",".join(_KINDS_V1)}"')),
            ("/api/v2.1", self._version2),
            ("/api", lambda *_: text(400, "Supported API versions: v1.3,v2.1")),
            ("/static", self._static),
            ("/metrics", self._metrics),
            ("/healthz", self._healthz),
            ("/containers", self._page),
            ("/docker", self._page),
        )

    def __call__(self, request: Request) -> Response:
        if request.path == "/":
            return self._page(request, "/")
        for prefix, handler in self._prefixes:
            if request.path == prefix or request.path.startswith(prefix + "/"):
                return handler(request, request.path[len(prefix) :])
        return text(404, f"no such path: {request.path}")

    def _healthz(self, _request: Request, _rest: str) -> Response:
        self._monitor.snapshot()
        return text(200, "ok" if self._watch.connected.is_set() else "ok, docker daemon away")

    def _metrics(self, _request: Request, _rest: str) -> Response:
        snapshot = self._monitor.snapshot()
        texts = chain(
            metrics.render_version(snapshot.machine, docker_version=self._watch.docker_version, version=self._version),
            metrics.render_containers(
                snapshot, disabled=self._config.disable_metrics, shown_labels=self._config.container_labels
            ),
            metrics.render_machine(snapshot.machine),
            metrics.render_self(read_errors=self._monitor.read_errors, docker_failures=self._watch.failures),
        )
        body = bytearray()
        for family in texts:
            body += f"{family}\n".encode(errors="replace")
        return Response(200, metrics.CONTENT_TYPE, body)

    def _machine(self, _request: Request, _rest: str) -> Response:
        return _json(rest.machine_document(self._monitor.snapshot().machine))

    def _containers(self, request: Request, path: str) -> Response:
        """One cgroup by its absolute name; the root lists the others under it."""
        snapshot, name = self._monitor.snapshot(), path.rstrip("/") or "/"
        found = chosen(snapshot, name, recursive=False)
        if not found:
            return text(404, f"unknown container {name!r}")
        children = [t.cgroup.name for t, _ in snapshot.tracked if name == "/" and not t.cgroup.is_root]
        return self._documents(request, lambda wanted: _document(found[0], snapshot, wanted, children))

    def _subcontainers(self, request: Request, path: str) -> Response:
        """A cgroup and all below it, as a list."""
        snapshot, name = self._monitor.snapshot(), path.rstrip("/") or "/"
        rows = chosen(snapshot, name, recursive=True)
        if not rows:
            return text(404, f"unknown container {name!r}")
        return self._documents(request, lambda wanted: [_document(row, snapshot, wanted) for row in rows])

    def _docker(self, request: Request, path: str) -> Response:
        """All Docker containers, or the one with this name or id (or unambiguous start of an id), by cgroup name."""
        snapshot, name = self._monitor.snapshot(), path.strip("/")
        rows = of_docker(snapshot, name)
        if name and len(rows) != 1:
            return text(404, f"unable to find Docker container {name!r}")
        return self._documents(
            request, lambda wanted: {row[0].cgroup.name: _document(row, snapshot, wanted) for row in rows}
        )

    def _events(self, request: Request, path: str) -> Response:
        return _json(self._v2(request, "events" + path))

    def _version2(self, request: Request, path: str) -> Response:
        if path.strip("/"):
            return _json(self._v2(request, path.lstrip("/")))
        return text(400, f'Supported request types: "{",".join(self._v2.kinds)}"')

    def _documents(self, request: Request, build: Callable[[rest.Wanted], Any]) -> Response:
        try:
            wanted = rest.wanted(request.body)
        except ValueError as error:
            return text(400, str(error))
        return _json(build(wanted))

    def _static(self, _request: Request, path: str) -> Response:
        return static_file(path.lstrip("/")) or text(404, "no such file")

    def _page(self, _request: Request, _path: str) -> Response:
        return render_page(self._monitor.snapshot())


def _document(row: Row, snapshot: Snapshot, wanted: rest.Wanted, children: list[str] | None = None) -> rest.Document:
    return rest.container_document(row[0], row[1], snapshot, wanted=wanted, children=children or ())


def _json(document: Any) -> Response:
    return Response(200, "application/json", json.dumps(document, separators=(",", ":")).encode())
