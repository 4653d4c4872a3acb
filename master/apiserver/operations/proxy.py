"""``pods/NAME/proxy/PATH`` and ``services/NAME/proxy/PATH``: a request is passed to a pod, its answer back.

The name may say a port and a scheme: ``web``, ``web:8080``, ``web:http``, ``https:web:443``. Who the client is stays
here: his credentials are not passed on. Addresses that are no pod's (loopback, link-local) are refused, since a status
may name any. What the pod answers to a request for an upgrade (WebSocket, SPDY) is passed back too; after its 101 the
bytes are passed both ways and nothing is read of them.
"""

import posixpath
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from api.core import Endpoints, Pod, Service
from api.errors import BadRequest, ServiceUnavailable
from api.formats import parsed_address
from api.resources import resource_of
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.exchange import Address, Asked, Reply
from master.apiserver.http.message import Headers, Request, Response, Sink, Stream, Upgrade
from master.apiserver.pod_client import open_to_pod
from master.apiserver.registry import not_found
from master.apiserver.streaming.splice import spliced

_SCHEMES = ("", "http", "https")
# Of one connection, or ours to know (RFC 9110, section 7.6.1).
_KEPT_BACK = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "content-length", "host", "authorization", "expect"),
    )
)
_OURS = frozenset(
    ("content-length", "transfer-encoding", "connection", "date", "content-type", "keep-alive", "upgrade")
)
_SEGMENTS = 7
_OF_NODES = 5
_IN_A_PATH = "/$&+,:;=@!*'()"


@dataclass(frozen=True, slots=True)
class Named:
    """What the name in the path says."""

    scheme: str
    name: str
    port: str


Ask = Callable[[Asked], Awaitable[Reply]]
"""Sends what is asked to where it is meant for."""


def named(text: str, *, of: str = "service") -> Named:
    """Raises BadRequest."""
    parts = text.split(":")
    scheme, name, port = {1: ("", text, ""), 2: ("", *parts), 3: tuple(parts)}.get(len(parts), ("?", "", ""))
    if scheme not in _SCHEMES or not name:
        raise BadRequest(f'invalid {of} request "{text}"')
    return Named(scheme, name, port)


async def pod_proxy(backend: Backend, call: Call) -> Response | Stream | Upgrade:
    """Raises NotFound, BadRequest, ServiceUnavailable."""
    meant = named(call.target.name)
    pod: Any = backend.registry.find(resource_of(Pod), call.target.namespace, meant.name).decode()
    address = Address(pod.status.pod_ip, pod_port(pod, meant.port))
    check_address(address.host)
    return await passed(call, to_port(address, secure=meant.scheme == "https"))


def pod_port(pod: Pod, said: str) -> int:
    """Raises BadRequest."""
    ports = [port for container in pod.spec.containers for port in container.ports]
    if not said:
        return ports[0].container_port if ports else 80
    found = next((port.container_port for port in ports if port.name == said), 0) or port_number(said)
    if not found:
        raise BadRequest(f'no port "{said}" found for pod "{pod.metadata.name}"')
    return found


def port_number(text: str) -> int:
    """Of digits alone; 0 for what is no number of a port, however long it is."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    return number if number <= 65535 else 0


async def service_proxy(backend: Backend, call: Call) -> Response | Stream | Upgrade:
    """To some ready endpoint. Raises NotFound, ServiceUnavailable."""
    meant, namespace = named(call.target.name), call.target.namespace
    service: Any = backend.registry.find(resource_of(Service), namespace, meant.name).decode()
    port = port_name(service, meant.port)
    item = backend.registry.cache.table(resource_of(Endpoints)).get(namespace, meant.name)
    if item is None:
        raise not_found(resource_of(Service), meant.name)  # as Kubernetes tells it, though the service is there
    endpoints: Any = item.decode()
    address = endpoint_of(endpoints, port, call.target.name)
    check_address(address.host)
    return await passed(call, to_port(address, secure=meant.scheme == "https"))


def port_name(service: Service, said: str) -> str:
    """The name of the port that is meant: by its name, by its number, or as the only one. Raises ServiceUnavailable."""
    ports = service.spec.ports
    if not said:
        return ports[0].name if len(ports) == 1 else ""
    number = port_number(said)
    found = [port.name for port in ports if port.port == number]
    if number and not found:
        raise ServiceUnavailable(f'no service port {number} found for service "{service.metadata.name}"')
    return found[0] if found else said


def endpoint_of(endpoints: Endpoints, port_name: str, asked: str) -> Address:
    """Raises ServiceUnavailable."""
    found = [
        Address(address.ip, port.port)
        for subset in endpoints.subsets
        for port in subset.ports
        if port.name == port_name
        for address in subset.addresses
    ]
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{asked}"')
    return random.choice(found)


def to_port(address: Address, *, secure: bool) -> Ask:
    """Asks a port that is nobody's of ours."""

    async def ask(asked: Asked) -> Reply:
        return await open_to_pod(address, asked, secure=secure)

    return ask


async def passed(call: Call, ask: Ask) -> Response | Stream | Upgrade:
    """The request with its method, headers and body, and what is answered. Raises ServiceUnavailable."""
    request = call.request
    prefix, path = split(request.raw_path, _SEGMENTS if call.target.namespace else _OF_NODES)
    if not path:
        # So that what the page refers to is found below it.
        return Response(301, b"", headers=[("Location", f"{prefix}/" + _query(request))])
    path = _as_meant(path) + _query(request)
    asked = Asked(path=path, method=request.method, headers=_sent(request), body=request.body)
    reply = await ask(asked)
    headers = [(name, _moved(name, value, prefix)) for name, value in reply.pairs if name not in _OURS]
    if reply.status != 101:
        return _answered(reply, headers)
    if not wants_upgrade(request):
        await reply.close()
        raise ServiceUnavailable("error trying to reach service: it switched protocols without being asked")
    return spliced(reply, headers)


def _sent(request: Request) -> Headers:
    """The client's headers, and for which end of the connection it is."""
    kept = [(name, value) for name, value in request.headers.items() if _is_passed(name)]
    if wants_upgrade(request):
        return [("Connection", "Upgrade"), ("Upgrade", request.headers["upgrade"]), *kept]
    return [("Connection", "close"), *kept]


def wants_upgrade(request: Request) -> bool:
    return "upgrade" in request.headers and "upgrade" in request.headers.get("connection", "").lower()


def _is_passed(name: str) -> bool:
    return name not in _KEPT_BACK and not name.startswith("impersonate-")


def _query(request: Request) -> str:
    return f"?{request.raw_query}" if request.raw_query else ""


def split(raw_path: str, segments: int = _SEGMENTS) -> tuple[str, str]:
    """The path up to ``/proxy``, which is the last of so many segments, and what stands behind it, as the client wrote
    it."""
    at = 0
    for _ in range(segments):
        while raw_path[at : at + 1] == "/":
            at += 1
        end = raw_path.find("/", at)
        at = len(raw_path) if end < 0 else end
    return raw_path[:at], raw_path[at:]


def _as_meant(path: str) -> str:
    """In the one form in which Kubernetes passes it on, since clients write a slash of the path as ``%2F``."""
    decoded = unquote(path)
    joined = "/" + posixpath.normpath(decoded).lstrip("/")
    end = "/" if decoded.endswith("/") and joined != "/" else ""
    return quote(joined, safe=_IN_A_PATH) + end


def check_address(host: str) -> None:
    """Raises BadRequest."""
    try:
        found = parsed_address(host)
    except ValueError as error:
        raise BadRequest("address not allowed") from error
    if found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast:
        raise BadRequest("address not allowed")


def _answered(reply: Reply, headers: Headers) -> Stream:
    async def produce(sink: Sink) -> None:
        try:
            async for piece in reply.pieces():
                await sink.write(piece)
        finally:
            await reply.close()

    kind = reply.headers.get("content-type", "application/octet-stream")
    return Stream(reply.status, produce, content_type=kind, headers=headers)


def _moved(name: str, value: str, prefix: str) -> str:
    """A redirection to another path of the pod stays behind the proxy."""
    return prefix + value if name == "location" and value.startswith("/") and not value.startswith("//") else value
