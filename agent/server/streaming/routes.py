"""The paths of exec, attach and port-forward, which are the kubelet's, and how many streams there may be at once.

All that can be refused is refused before the 101, as plain text: that is what kubectl shows.
"""

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
from agent.server.streaming.channel_forwarder import CHANNEL_FORWARD_PROTOCOLS, ChannelForwarder
from agent.server.streaming.forward_session import ForwardSession
from agent.server.streaming.forwarding import PORT_MAX, Forwarder
from agent.server.streaming.negotiation import SPDY, WEBSOCKET, Agreed, agree
from agent.server.streaming.netns import NetworkNamespace
from agent.server.streaming.process import AttachedProcess, ExecProcess, Process, Streams
from agent.server.streaming.process_session import ProcessSession
from agent.server.streaming.remote_command import WEBSOCKET_PROTOCOLS, Caller, WebSocketCaller
from agent.server.streaming.spdy_caller import SPDY_PROTOCOLS, SpdyCaller
from agent.server.streaming.spdy_forwarder import (
    SPDY_FORWARD_PROTOCOLS,
    TUNNEL_PROTOCOLS,
    SpdyForwarder,
    TunnelForwarder,
)
from agent.server.streaming.timing import Timing
from agent.server.streaming.wire import Wire
from api.core import Container, Pod
from api.errors import ApiError, BadRequest, InternalError, NotFound, TooManyRequests

_ON = ("1", "true")
_PORTS_MAX = 64  # a channel is one byte
FORWARD_PROTOCOLS = (*TUNNEL_PROTOCOLS, *CHANNEL_FORWARD_PROTOCOLS)
Session = Callable[[Wire], None]


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
        return {
            "/exec/": _in_plain_text(self.exec),
            "/attach/": _in_plain_text(self.attach),
            "/portForward/": _in_plain_text(self.port_forward),
        }

    def exec(self, request: Request) -> Takeover:
        """/exec/<namespace>/<pod>/<container>?command=...&input=1&output=1&error=1&tty=1. Raises ApiError."""
        streams, record, _ = self._target(request)
        command = request.every.get("command", [])
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        return self._command(request, streams, lambda: ExecProcess(self._docker, record.id, command, streams))

    def attach(self, request: Request) -> Takeover:
        """/attach/<namespace>/<pod>/<container>?input=1&output=1&error=1. Whether it is a terminal, the pod tells."""
        streams, record, container = self._target(request)
        streams = Streams(streams.stdin, streams.stdout, streams.stderr, container.tty)
        once = container.stdin_once
        return self._command(
            request, streams, lambda: AttachedProcess(self._docker, self._cache, record.id, streams, once=once)
        )

    def port_forward(self, request: Request) -> Takeover:
        """/portForward/<namespace>/<pod>[/<uid>][?port=80&port=81]. Raises ApiError."""
        parts = request.path.split("/")[2:]
        if len(parts) not in (2, 3) or not all(parts):
            raise BadRequest("the path is /portForward/<namespace>/<pod>[/<uid>]")
        pod = self._pod(parts[0], parts[1], parts[2] if len(parts) == 3 else "")
        agreed = agree(request.headers, websocket=FORWARD_PROTOCOLS, spdy=SPDY_FORWARD_PROTOCOLS)
        by_channel = agreed.transport == WEBSOCKET and agreed.protocol in CHANNEL_FORWARD_PROTOCOLS
        ports = _ports_of(request) if by_channel else []
        sandbox = self._sandbox(pod)

        def prepare() -> Session:
            caller = _forwarder(agreed, ports)
            return ForwardSession(caller, lambda: self._namespace(sandbox), self._timing).run

        return self._take_over(agreed, prepare)

    def _sandbox(self, pod: Pod) -> ContainerRecord:
        for record in self._cache.of_pod(pod.metadata.uid):
            if record.is_sandbox and record.running:
                return record
        raise InternalError(f"pod {pod.metadata.name} is not running: it has no network")

    def _namespace(self, sandbox: ContainerRecord) -> NetworkNamespace:
        """Looked at again once it is held: a process id may by now be another's. Raises OSError, RuntimeFailure."""
        namespace = NetworkNamespace(sandbox.pid)
        try:
            now = self._docker.inspect(sandbox.id)
            if now is None or not now.running or now.pid != sandbox.pid:
                raise ProcessLookupError("the pod has ended")
        except BaseException:
            namespace.close()
            raise
        return namespace

    def _target(self, request: Request) -> tuple[Streams, ContainerRecord, Container]:
        """What is wanted, the running container, and how the pod declares it."""
        parts = request.path.split("/")[2:]
        if len(parts) not in (3, 4) or not all(parts):
            raise BadRequest("the path is /<verb>/<namespace>/<pod>[/<uid>]/<container>")
        pod = self._pod(parts[0], parts[1], parts[2] if len(parts) == 4 else "")
        container = container_of(pod, parts[-1])
        if container is None:
            raise InternalError(f'container not found ("{parts[-1]}")')
        return _streams_of(request.query), self._running(pod, parts[-1]), container

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

    def _command(self, request: Request, streams: Streams, begin: Callable[[], Process]) -> Takeover:
        agreed = agree(request.headers, websocket=WEBSOCKET_PROTOCOLS, spdy=SPDY_PROTOCOLS)
        return self._take_over(agreed, lambda: ProcessSession(_caller(agreed, streams), begin(), self._timing).run)

    def _take_over(self, agreed: Agreed, prepare: Callable[[], Session]) -> Takeover:
        """Raises TooManyRequests, and what ``prepare`` raises."""
        if not self._free.acquire(blocking=False):
            raise TooManyRequests(f"this node serves {self._limit} streams already, which is all that it may")
        try:
            session = prepare()
        except BaseException:
            self._free.release()
            raise
        return Takeover(lambda connection, first: session(Wire(connection, first)), agreed.headers, self._free.release)


def _forwarder(agreed: Agreed, ports: list[int]) -> Forwarder:
    if agreed.transport == SPDY:
        return SpdyForwarder()
    return TunnelForwarder() if agreed.protocol in TUNNEL_PROTOCOLS else ChannelForwarder(agreed.protocol, ports)


def _ports_of(request: Request) -> list[int]:
    """Raises BadRequest."""
    found = [port for text in request.every.get("port", []) for port in text.split(",")]
    for port in found:
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= PORT_MAX):
            raise BadRequest(f"port: {port!r} is not a port number")
    if not 1 <= len(found) <= _PORTS_MAX:
        raise BadRequest(f"port: must be given at least once, and at most {_PORTS_MAX} times")
    return [int(port) for port in found]


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
        except RuntimeFailure as error:
            return Response(str(error).encode(), status=500)
        except ApiError as error:
            headers = {"Retry-After": "1"} if isinstance(error, TooManyRequests) else {}
            return Response(error.message.encode(), status=error.code, headers=headers)

    return answer
