"""Typed calls: objects in, objects out. Errors are those of ``api.errors``, and ``Unreachable``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from api.authentication import TokenRequest, TokenReview
from api.authorization import SubjectAccessReview
from api.codec import convert, decode, encode
from api.core import Binding, ObjectReference
from api.errors import from_status
from api.meta import DeleteOptions, ListMeta, Object, ObjectMeta, Preconditions, Status
from api.resources import Resource, resource_of
from client.kubeconfig import Credentials, load_kubeconfig
from client.transport import Query, RequestObserver, Stream, Transport, Unreachable

T = TypeVar("T", bound=Object)
S = TypeVar("S", bound=msgspec.Struct)

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
# The server sends a bookmark about once a minute: twice that and more in silence is a dead connection.
WATCH_SILENCE_S = 150.0


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Objects of one kind as they were at ``resource_version``."""

    items: list[T]
    resource_version: str


class WatchEvent(msgspec.Struct, Generic[T], frozen=True):
    """A change. ``type`` is ADDED, MODIFIED, DELETED or BOOKMARK (whose object has a resourceVersion only)."""

    type: str
    object: T


class _RawEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _RawList(msgspec.Struct):
    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class Watch(Generic[T]):
    """An open watch; iterate over it. ``stop`` may be called from another thread."""

    def __init__(self, stream: Stream, kind: type[T], *, metadata_only: bool = False) -> None:
        self._stream = stream
        self._kind = kind
        self._metadata_only = metadata_only

    def __iter__(self) -> Iterator[WatchEvent[T]]:
        for line in self._stream.lines():
            raw = _understood(line, _RawEvent)
            if raw.type == "ERROR":
                raise from_status(_understood(bytes(raw.object), Status))
            yield WatchEvent(raw.type, _typed(bytes(raw.object), self._kind, retype=self._metadata_only))

    def stop(self) -> None:
        self._stream.shutdown()

    def close(self) -> None:
        self._stream.close()


_REVIEWS: dict[type, tuple[str, str]] = {
    TokenReview: ("authentication.k8s.io/v1", "tokenreviews"),
    SubjectAccessReview: ("authorization.k8s.io/v1", "subjectaccessreviews"),
}
R = TypeVar("R", TokenReview, SubjectAccessReview)


class Client:
    """Calls of one identity to one API server. Safe to share between threads. ``before_write`` may raise."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str = "steersman",
        before_write: Callable[[], None] = lambda: None,
        observer: RequestObserver | None = None,
    ) -> None:
        self.transport = Transport(credentials, user_agent=user_agent, before_write=before_write, observer=observer)

    @classmethod
    def from_kubeconfig(
        cls, path: Path, *, user_agent: str = "steersman", observer: RequestObserver | None = None
    ) -> "Client":
        """Raises KubeconfigError."""
        return cls(load_kubeconfig(path), user_agent=user_agent, observer=observer)

    def get(self, kind: type[T], name: str, namespace: str = "") -> T:
        return _typed(self.transport.request("GET", resource_of(kind).path(namespace, name)), kind)

    def list(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
        keep: Callable[[T], T] | None = None,
    ) -> Listing[T]:
        """All objects of a kind, in one namespace or in all; with ``metadata_only`` nothing else of them is sent.

        ``keep`` makes of each what is kept of it, before the next is decoded.
        """
        query = {"labelSelector": labels, "fieldSelector": fields, "resourceVersion": resource_version}
        accept = _METADATA.format("PartialObjectMetadataList") if metadata_only else ""
        answer = self.transport.request("GET", resource_of(kind).path(namespace), query=query, accept=accept)
        raw = _understood(answer, _RawList)
        decoded = (_typed(bytes(item), kind, retype=metadata_only) for item in raw.items or [])
        return Listing([keep(item) if keep else item for item in decoded], raw.metadata.resource_version)

    def watch(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        timeout_s: int = 0,
        metadata_only: bool = False,
    ) -> Watch[T]:
        """Changes after a version. Raises Expired, at once or while iterating, when that is too long ago."""
        query: Query = {
            "watch": True,
            "resourceVersion": resource_version,
            "allowWatchBookmarks": True,
            "labelSelector": labels,
            "fieldSelector": fields,
            "timeoutSeconds": timeout_s or None,
        }
        accept = _METADATA.format("PartialObjectMetadata") if metadata_only else ""
        path = resource_of(kind).path(namespace)
        stream = self.transport.stream(path, query=query, accept=accept, silence_s=WATCH_SILENCE_S)
        return Watch(stream, kind, metadata_only=metadata_only)

    def create(self, item: T) -> T:
        resource = resource_of(type(item))
        path = resource.path(item.metadata.namespace)
        return _typed(self.transport.request("POST", path, body=_body(item, resource)), type(item))

    def update(self, item: T) -> T:
        """Replaces the object if its resourceVersion is still the one in ``item``. Raises Conflict otherwise."""
        return self._put(item, "")

    def update_status(self, item: T) -> T:
        return self._put(item, "status")

    def _put(self, item: T, subresource: str) -> T:
        resource = resource_of(type(item))
        path = resource.path(item.metadata.namespace, item.metadata.name, subresource)
        return _typed(self.transport.request("PUT", path, body=_body(item, resource)), type(item))

    def patch(
        self,
        kind: type[T],
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        subresource: str = "",
        form: str = "strategic",
    ) -> T:
        """``form`` is strategic, merge or json."""
        path = resource_of(kind).path(namespace, name, subresource)
        answer = self.transport.request("PATCH", path, body=encode(patch), content_type=PATCH_TYPES[form])
        return _typed(answer, kind)

    def delete(
        self,
        kind: type[T],
        name: str,
        namespace: str = "",
        *,
        grace_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
        propagation: str | None = None,
    ) -> None:
        """``grace_s`` None is the object's own grace; ``uid`` guards against a new object of the same name,
        ``resource_version`` against any change. Raises Conflict when one of them is not what the object has.
        """
        guard = Preconditions(uid=uid or None, resource_version=resource_version or None)
        options = DeleteOptions(
            api_version="v1",
            kind="DeleteOptions",
            grace_period_seconds=grace_s,
            preconditions=guard if uid or resource_version else None,
            propagation_policy=propagation,
        )
        self.transport.request("DELETE", resource_of(kind).path(namespace, name), body=encode(options))

    def delete_collection(self, kind: type[T], namespace: str = "") -> None:
        """All objects of a kind, each with its own grace; what depends on them follows. Raises MethodNotAllowed from a
        server that deletes these one by one only."""
        options = DeleteOptions(api_version="v1", kind="DeleteOptions", propagation_policy="Background")
        self.transport.request("DELETE", resource_of(kind).path(namespace), body=encode(options))

    def bind(self, pod_name: str, namespace: str, node_name: str, *, uid: str = "") -> None:
        """Gives a pod a node. Raises Conflict when it has one already or is another pod."""
        binding = Binding(
            api_version="v1",
            kind="Binding",
            metadata=ObjectMeta(name=pod_name, namespace=namespace, uid=uid),
            target=ObjectReference(api_version="v1", kind="Node", name=node_name),
        )
        path = f"/api/v1/namespaces/{namespace}/pods/{pod_name}/binding"
        self.transport.request("POST", path, body=encode(binding))

    def request_token(self, request: TokenRequest) -> TokenRequest:
        """A token of the service account that the request's metadata names."""
        meta = request.metadata
        path = f"/api/v1/namespaces/{meta.namespace}/serviceaccounts/{meta.name}/token"
        request.api_version, request.kind = "authentication.k8s.io/v1", "TokenRequest"
        return _understood(self.transport.request("POST", path, body=encode(request)), TokenRequest)

    def review(self, item: R) -> R:
        """Whose a token is, or whether somebody may do something: the same, with its status."""
        item.api_version, plural = _REVIEWS[type(item)]
        item.kind = type(item).__name__
        path = f"/apis/{item.api_version}/{plural}"
        return _understood(self.transport.request("POST", path, body=encode(item)), type(item))

    def close(self) -> None:
        self.transport.close()


def _understood(data: bytes, kind: type[S]) -> S:
    """A part of an answer. One that is cut short, or not of this kind, is as good as none."""
    try:
        return decode(data, kind)
    except msgspec.MsgspecError as error:
        raise Unreachable(f"an answer that is no {kind.__name__.lstrip('_')}: {error}") from error


def _typed(data: bytes, kind: type[T], *, retype: bool = False) -> T:
    item = _understood(data, kind)
    if not item.kind or retype:
        # The items of a list carry no type of their own on other servers; metadata alone calls itself by that name.
        resource = resource_of(kind)
        item.api_version, item.kind = resource.api_version, resource.kind
    return item


def _body(item: Object, resource: Resource) -> bytes:
    item.api_version, item.kind = resource.api_version, resource.kind
    return encode(item)


def object_from_plain(document: dict[str, Any], kind: type[T]) -> T:
    """An object from a parsed YAML document. Raises msgspec.ValidationError."""
    return convert(document, kind)
