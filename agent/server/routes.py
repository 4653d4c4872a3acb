"""What the agent's port answers: health, pods, logs, metrics. Paths are the kubelet's."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from agent.metrics import exposition
from agent.pods.ending import container_of
from agent.pods.store import PodStore
from agent.pods.worker import Worker
from agent.runtime.cache import ContainerCache
from agent.runtime.following import LogFollower
from agent.runtime.records import ContainerRecord
from agent.server.logs_query import LogsQuery, chosen, joined, parse_query, rendered
from agent.server.requests import Request, Response
from agent.server.server import Route
from api.codec import encode
from api.core import Pod
from api.errors import BadRequest, NotFound

# How often a followed log is looked at. Only while somebody follows it.
FOLLOW_S = 0.1
# What the kubelet says of these reasons for waiting; of all others their name.
_WAITING_WORDS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Routes:
    """The routes over what the agent knows. others: path to the metrics that it shows. summary: /stats/summary."""

    def __init__(
        self,
        store: PodStore,
        cache: ContainerCache,
        worker: Worker,
        *,
        registry: CollectorRegistry,
        cadvisor: Callable[[], bytes],
        others: Mapping[str, CollectorRegistry],
        summary: Callable[[], dict[str, Any]],
    ) -> None:
        self._store = store
        self._cache = cache
        self._worker = worker
        self._registry = registry
        self._cadvisor = cadvisor
        self._others = others
        self._summary = summary

    def exact(self) -> dict[str, Route]:
        return {
            "/healthz": self.healthz,
            "/pods": self.pods,
            "/metrics": lambda _: Response(exposition(self._registry), _PROMETHEUS),
            "/metrics/cadvisor": lambda _: Response(self._cadvisor(), _PROMETHEUS),
            "/stats/summary": lambda _: Response(encode(self._summary()), "application/json"),
            **{path: self._metrics_of(registry) for path, registry in self._others.items()},
        }

    def _metrics_of(self, registry: CollectorRegistry) -> Route:
        return lambda _: Response(exposition(registry), _PROMETHEUS)

    def prefixes(self) -> dict[str, Route]:
        return {"/containerLogs/": self.container_logs}

    def healthz(self, _request: Request) -> Response:
        """200 while this process answers. The node's own troubles are in its conditions, not here."""
        return Response(b"ok")

    def pods(self, _request: Request) -> Response:
        """A PodList of this node's pods with the newest status."""
        items = []
        for pod in self._store.all():
            status = self._worker.status(pod.metadata.uid)
            items.append(Pod(metadata=pod.metadata, spec=pod.spec, status=status or pod.status))
        document = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return Response(encode(document), "application/json")

    def container_logs(self, request: Request) -> Response:
        """/containerLogs/<namespace>/<pod>/<container>. Raises NotFound or BadRequest with the kubelet's words."""
        parts = request.path.split("/")[2:]
        if len(parts) != 3 or not all(parts):
            raise BadRequest("the path is /containerLogs/<namespace>/<pod>/<container>")
        namespace, name, container = parts
        query = parse_query(request.query, datetime.now(UTC))
        record = self._find(namespace, name, container, previous=query.previous)
        return Response(self._lines(record, query))

    def _find(self, namespace: str, name: str, container: str, *, previous: bool) -> ContainerRecord:
        pods = [p for p in self._store.all() if (p.metadata.namespace, p.metadata.name) == (namespace, name)]
        if not pods:
            raise NotFound(f'pod "{name}" not found in namespace "{namespace}"')
        pod = pods[0]
        if container_of(pod, container) is None:
            raise BadRequest(f"container {container} is not valid for pod {name}")
        runs = [r for r in self._cache.of_pod(pod.metadata.uid) if r.container == container]
        runs = [record for record in runs if record.started_at or record.ended]
        runs.sort(key=lambda record: record.attempt, reverse=True)
        if previous:
            runs = [record for record in runs[1:] if record.ended] or [record for record in runs if record.ended]
        if not runs:
            if previous:
                raise BadRequest(f'previous terminated container "{container}" in pod "{name}" not found')
            why = self._waiting(pod, container)
            raise BadRequest(f'container "{container}" in pod "{name}" is waiting to start{why}')
        return runs[0]

    def _waiting(self, pod: Pod, container: str) -> str:
        status = self._worker.status(pod.metadata.uid) or pod.status
        known = (*status.init_container_statuses, *status.container_statuses, *status.ephemeral_container_statuses)
        for one in known:
            if one.name == container and one.state.waiting:
                reason = one.state.waiting.reason
                return f": {_WAITING_WORDS.get(reason, reason)}"
        return " - no logs yet"

    def _lines(self, record: ContainerRecord, query: LogsQuery) -> Iterator[bytes]:
        """Pieces of the answer; while following, an empty one at each look that found nothing."""
        follower = LogFollower(Path(record.log_path))
        left = query.limit_bytes
        try:
            for piece in self._all_lines(follower, record, query):
                if left is not None:
                    piece, left = piece[:left], left - len(piece)
                yield piece
                if left is not None and left <= 0:
                    return
        finally:
            follower.close()

    def _all_lines(self, follower: LogFollower, record: ContainerRecord, query: LogsQuery) -> Iterator[bytes]:
        yield from joined(rendered(line, query) for line in chosen(follower.new_lines(), query))
        while query.follow:
            known = self._cache.get(record.id)
            ended = known is None or not known.running
            yield from joined(rendered(line, query) for line in follower.new_lines())
            if ended:
                return
            yield b""
            time.sleep(FOLLOW_S)
