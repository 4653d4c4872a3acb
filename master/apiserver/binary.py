"""Stored objects as protobuf, and the frames of a watch in it.

The rule: an object is encoded once for all who ask: what was made last is kept, by the stored bytes themselves, so the
watchers of one change and the readers of one object share it. The bound keeps the memory small.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf, and k8s.io/apimachinery/pkg/watch.
"""

from collections.abc import Sequence
from functools import lru_cache

from api import protobuf
from api.codec import decode
from api.meta import ListMeta, Object, Status
from api.protobuf.encoding import encode_part
from api.protobuf.wire import length_delimited
from api.resources import Resource, resource_of
from master.apiserver.forms import served
from master.apiserver.negotiation import Form, Output

_KEPT = 8192
_METADATA, _ITEMS = 1, 2


def object_bytes(resource: Resource, wire: bytes) -> bytes:
    """A whole body: magic, type and object."""
    return protobuf.enveloped(_part(resource.type, wire), resource.api_version, resource.kind)


def metadata_bytes(version: str, wire: bytes) -> bytes:
    """PartialObjectMetadata of meta.k8s.io."""
    return protobuf.enveloped(_metadata_part(wire), f"meta.k8s.io/{version}", Form.METADATA.value)


def list_bytes(resource: Resource, output: Output, wires: Sequence[bytes], meta: ListMeta) -> bytes:
    """A list of objects, or of their metadata."""
    head = length_delimited(_METADATA, encode_part(meta))
    if output.form is Form.OBJECT:
        parts = [length_delimited(_ITEMS, _part(resource.type, wire)) for wire in wires]
        kind, version = f"{resource.kind}List", resource.api_version
    else:
        parts = [length_delimited(_ITEMS, _metadata_part(wire)) for wire in wires]
        kind, version = Form.METADATA_LIST.value, f"meta.k8s.io/{output.version}"
    return protobuf.enveloped(b"".join((head, *parts)), version, kind)


@lru_cache(maxsize=_KEPT)
def _part(kind: type[Object], wire: bytes) -> bytes:
    return encode_part(decode(served(resource_of(kind), wire), kind))


@lru_cache(maxsize=_KEPT)
def _metadata_part(wire: bytes) -> bytes:
    return encode_part(decode(wire, Object))


def frame(kind: str, body: bytes) -> bytes:
    """One event of a watch: a length of four bytes, then a WatchEvent whose object is a whole body."""
    event = length_delimited(1, kind.encode()) + length_delimited(2, length_delimited(1, body))
    return len(event).to_bytes(4, "big") + event


def status_bytes(status: Status) -> bytes:
    return protobuf.encode(status, status.api_version, status.kind)
