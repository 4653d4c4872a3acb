"""Objects and lists in the form the client asked for: themselves, a Table, their metadata; JSON, YAML or protobuf."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from api import protobuf
from api.codec import decode, encode
from api.errors import BadRequest
from api.meta import ListMeta, Object, Status
from api.resources import Resource
from api.scalars import now
from master.apiserver.binary import list_bytes, metadata_bytes, object_bytes
from master.apiserver.call import Call
from master.apiserver.forms import served, stored_resource
from master.apiserver.http.compression import accepts_gzip
from master.apiserver.http.message import Response, Sink, Stream
from master.apiserver.negotiation import Form, Output
from master.apiserver.responses import as_yaml, pretty, wants_pretty, warnings
from master.apiserver.tables import shape_of

# About 20 ms of the event loop, when none of them is kept.
_BINARY_MOST = 500
# About 50 KB of pods: pieces that the processor's cache holds, and few enough turns.
_AT_A_TIME = 24
_IN_PIECES_BYTES = 128 * 1024
_INCLUDED = ("None", "Metadata", "Object")


class _MetadataOnly(msgspec.Struct):
    metadata: msgspec.Raw


_metadata_decoder = msgspec.json.Decoder(_MetadataOnly)


def object_answer(call: Call, wire: bytes, status: int = 200) -> Response:
    """One object."""
    return answer(call, shown(call, wire, headers=True), status)


def list_answer(call: Call, wires: Sequence[bytes], meta: ListMeta) -> Response | Stream:
    """A list of objects. A long one is JSON where that will do: its bytes are there, those of protobuf are not."""
    if call.output.or_json and len(wires) > _BINARY_MOST:
        call.output = replace(call.output, protobuf=False)
    if (size := sum(map(len, wires))) >= _IN_PIECES_BYTES and _is_as_stored(call):
        return _in_pieces(call, wires, meta, size + len(wires) - 1)
    return answer(call, _list(call, wires, meta))


def _is_as_stored(call: Call) -> bool:
    """Whether a list can be made of the stored bytes alone, and nobody wants to compress the whole of it."""
    output, resource = call.output, call.target.resource
    if output.form is not Form.OBJECT or output.yaml or output.protobuf or resource.stored_as is not None:
        return False
    return not wants_pretty(call.request) and not accepts_gzip(call.request.headers.get("accept-encoding", ""))


def _in_pieces(call: Call, wires: Sequence[bytes], meta: ListMeta, items_bytes: int) -> Stream:
    """A long list: joined a little at a time, as the client takes it. The whole of it is never in memory, which costs
    more to make room for than the copying."""
    head, tail = _list_ends(call.target.resource, meta)

    async def produce(sink: Sink) -> None:
        await sink.write(head)
        for start in range(0, len(wires), _AT_A_TIME):
            piece = wires[start : start + _AT_A_TIME]
            is_last = start + _AT_A_TIME >= len(wires)
            await sink.write(b",".join(piece if is_last else (*piece, b"")))
        await sink.write(tail)

    size = len(head) + items_bytes + len(tail)
    return Stream(200, produce, headers=warnings(call.warnings), size=size)


def struct_answer(call: Call, item: Object | Status, status: int = 200) -> Response:
    """What is not an object of the called resource: a Scale, a Status."""
    body = protobuf.encode(item, item.api_version, item.kind) if call.output.protobuf else encode(item)
    return answer(call, body, status)


def answer(call: Call, body: bytes, status: int = 200) -> Response:
    """A body as the client wants to read it: protobuf is ready to go, JSON may have to become YAML or be indented."""
    headers = warnings(call.warnings)
    if call.output.protobuf:
        return Response(status, body, content_type=protobuf.CONTENT_TYPE, headers=headers)
    if call.output.yaml:
        return Response(status, as_yaml(body), content_type="application/yaml", headers=headers)
    return Response(status, pretty(body) if wants_pretty(call.request) else body, headers=headers)


def shown(call: Call, wire: bytes, *, headers: bool) -> bytes:
    """One object in the wanted form; ``headers`` says whether a Table names its columns."""
    resource, output = call.target.resource, call.output
    match output.form:
        case Form.OBJECT:
            return object_bytes(resource, wire) if output.protobuf else served(resource, wire)
        case Form.TABLE:
            version = _version_of(wire)
            return encode(_table(call, [wire], ListMeta(resource_version=version), headers=headers))
        case _:
            return metadata_bytes(output.version, wire) if output.protobuf else encode(_partial(output, wire))


def _list(call: Call, wires: Sequence[bytes], meta: ListMeta) -> bytes:
    output = call.output
    if output.protobuf:
        return list_bytes(call.target.resource, output, wires, meta)
    match output.form:
        case Form.OBJECT:
            return list_of(call.target.resource, wires, meta)
        case Form.TABLE:
            return encode(_table(call, wires, meta, headers=True))
        case _:
            items = [_partial(output, wire) for wire in wires]
            kind, version = Form.METADATA_LIST.value, f"meta.k8s.io/{output.version}"
            return encode({"kind": kind, "apiVersion": version, "metadata": meta, "items": items})


def list_of(resource: Resource, wires: Sequence[bytes], meta: ListMeta) -> bytes:
    """The list of a kind: the stored bytes, joined."""
    head, tail = _list_ends(resource, meta)
    if resource.stored_as is not None:
        wires = [served(resource, wire) for wire in wires]
    if len(wires) < 2:
        return b"%b%b%b" % (head, b"".join(wires), tail)
    # In one go: to copy the whole of it once more for its ends costs as much again.
    return b",".join((head + wires[0], *wires[1:-1], wires[-1] + tail))


def _list_ends(resource: Resource, meta: ListMeta) -> tuple[bytes, bytes]:
    """What stands before and after the objects."""
    head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}","metadata":'.encode()
    return head + encode(meta) + b',"items":[', b"]}"


def _partial(output: Output, wire: bytes) -> dict[str, Any]:
    metadata = _metadata_decoder.decode(wire).metadata
    return {"kind": Form.METADATA.value, "apiVersion": f"meta.k8s.io/{output.version}", "metadata": metadata}


def _table(call: Call, wires: Sequence[bytes], meta: ListMeta, *, headers: bool) -> dict[str, Any]:
    resource = call.target.resource
    kept = stored_resource(resource).type
    shape = shape_of(kept)
    included = call.option("includeObject") or "Metadata"
    if included not in _INCLUDED:
        raise BadRequest(
            f'includeObject: unsupported value "{included}": supported values: "None", "Metadata", "Object"'
        )
    moment, rows = now(), []
    for wire in wires:
        item = decode(wire, kept)
        row: dict[str, Any] = {"cells": shape.cells(item, moment)}
        if shape.conditions is not None and (conditions := shape.conditions(item)):
            row["conditions"] = conditions
        if included != "None":
            whole = included == "Object"
            row["object"] = msgspec.Raw(served(resource, wire)) if whole else _partial(call.output, wire)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{call.output.version}",
        "metadata": meta,
        "columnDefinitions": [column.plain() for column in shape.columns] if headers else [],
        "rows": rows,
    }


class _VersionPart(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct):
    metadata: _VersionPart


_version_decoder = msgspec.json.Decoder(_Versioned)


def _version_of(wire: bytes) -> str:
    return _version_decoder.decode(wire).metadata.resource_version
