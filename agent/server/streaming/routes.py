"""The paths of exec and attach, which are the kubelet's, and how many streams there may be at once.

All that can be refused is refused before the 101, as plain text: that is what kubectl shows.
"""

import socket
import threading
from collections.abc import Callable, Mapping

from agent.config import Config
from agent.pods.ending import container_of
from agent.pods.store import PodStore
from agent.runtime.cache import ContainerCache
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure
from agent.runtime.records import ContainerRecord
from agent.server.requests import Request, Response, Takeover
from agent.server.server import StreamRoute
from agent.server.streaming.negotiation import WEBSOCKET, Agreed, agree
from agent.server.streaming.process import AttachedProcess, ExecProcess, Process, Streams
from agent.server.streaming.process_session import ProcessSession
from agent.server.streaming.remote_command import WEBSOCKET_PROTOCOLS, Caller, WebSocketCaller
from agent.server.streaming.spdy_caller import SPDY_PROTOCOLS, SpdyCaller
from agent.server.streaming.timing import Timing
from agent.server.streaming.wire import Wire
from api.core import Pod
from api.errors import ApiError, BadRequest, InternalError, NotFound, TooManyRequests

_ON = ("1", "true")


class StreamRoutes:
    """The routes that turn a connection into a stream."""

    def __init__(self, config: Config, docker: Docker, store: PodStore, cache: ContainerCache) -> None:
        self._docker = docker
        self._store = store
        self._cache = cache
        self._limit = config.stream_connections
        self._free = threading.BoundedSemaphore(config.stream_connections)
        self._timing = Timing(ping_s=config.stream_ping_s, idle_s=config.stream_idle_s)

    def prefixes(self) -> dict[str, StreamRoute]:
        return {"/exec/": _in_plain_text(self.exec), "/attach/": _in_plain_text(self.attach)}

    def exec(self, request: Request) -> Takeover:
        """/exec/<namespace>/<pod>/<container>?command=...&input=1&output=1&error=1&tty=1. Raises ApiError."""
        streams, record, _ = self._target(request)
        command = request.every.get("command", [])
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        return self._take_over(request, streams, lambda: ExecProcess(self._docker, record.id, command, streams))

    def attach(self, request: Request) -> Takeover:
        """/attach/<namespace>/<pod>/<container>?input=1&output=1&error=1. Whether it is a terminal, the pod tells."""
        streams, record, tty = self._target(request)
        streams = Streams(streams.stdin, streams.stdout, streams.stderr, tty)
        return self._take_over(request, streams, lambda: AttachedProcess(self._docker, record.id, streams))

    def _target(self, request: Request) -> tuple[Streams, ContainerRecord, bool]:
        """What is wanted, the running container, and whether its process has a terminal."""
        parts = request.path.split("/")[2:]
        if len(parts) not in (3, 4) or not all(parts):
            raise BadRequest("the path is /<verb>/<namespace>/<pod>[/<uid>]/<container>")
        pod = self._pod(parts[0], parts[1], parts[2] if len(parts) == 4 else "")
        container = container_of(pod, parts[-1])
        if container is None:
            raise InternalError(f'container not found ("{parts[-1]}")')
        return _streams_of(request.query), self._running(pod, parts[-1]), container.tty

    def _pod(self, namespace: str, name: str, uid: str) -> Pod:
        for pod in self._store.all():
            meta = pod.metadata
            if (meta.namespace, meta.name) == (namespace, name) and uid in ("", meta.uid):
                return pod
        raise NotFound("pod does not exist")

    def _running(self, pod: Pod, container: str) -> ContainerRecord:
        runs = [record for record in self._cache.of_pod(pod.metadata.uid) if record.container == container]
        newest = max(runs, key=lambda record: record.attempt, default=None)
        if newest is None:
            raise InternalError(f'container not found ("{container}")')
        if not newest.running:
            raise InternalError(f"container not running ({newest.id})")
        return newest

    def _take_over(self, request: Request, streams: Streams, begin: Callable[[], Process]) -> Takeover:
        agreed = agree(request.headers, websocket=WEBSOCKET_PROTOCOLS, spdy=SPDY_PROTOCOLS)
        if not self._free.acquire(blocking=False):
            raise TooManyRequests(f"this node serves {self._limit} streams already, which is all that it may")
        try:
            process = begin()
        except RuntimeFailure as error:
            self._free.release()
            raise InternalError(str(error)) from error

        def session(connection: socket.socket, first: bytes) -> None:
            ProcessSession(Wire(connection, first), _caller(agreed, streams), process, self._timing).run()

        return Takeover(session, agreed.headers, self._free.release)


def _caller(agreed: Agreed, streams: Streams) -> Caller:
    if agreed.transport == WEBSOCKET:
        return WebSocketCaller(agreed.protocol)
    return SpdyCaller(agreed.protocol, streams)


def _streams_of(query: Mapping[str, str]) -> Streams:
    """Raises BadRequest when there is nothing to stream. A terminal has no stderr of its own."""
    stdin, stdout, stderr, tty = (query.get(name, "") in _ON for name in ("input", "output", "error", "tty"))
    if not (stdin or stdout or stderr):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    return Streams(stdin, stdout, stderr and not tty, tty)


def _in_plain_text(route: Callable[[Request], Takeover]) -> StreamRoute:
    """Refusals as kubectl expects them before an upgrade."""

    def answer(request: Request) -> Response | Takeover:
        try:
            return route(request)
        except ApiError as error:
            headers = {"Retry-After": "1"} if isinstance(error, TooManyRequests) else {}
            return Response(error.message.encode(), status=error.code, headers=headers)

    return answer
