"""Objects and lists in the form the client asked for: themselves, a Table, or their metadata."""

from collections.abc import Sequence
from typing import Any

import msgspec

from api.codec import decode, encode
from api.errors import BadRequest
from api.meta import ListMeta
from api.resources import Resource
from api.scalars import now
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.negotiation import Form, Output
from master.apiserver.responses import as_yaml, pretty, warnings
from master.apiserver.tables import shape_of

_INCLUDED = ("None", "Metadata", "Object")


class _MetadataOnly(msgspec.Struct):
    metadata: msgspec.Raw


_metadata_decoder = msgspec.json.Decoder(_MetadataOnly)


def object_answer(call: Call, wire: bytes, status: int = 200) -> Response:
    """One object."""
    return answer(call, shown(call, wire, headers=True), status)


def list_answer(call: Call, wires: Sequence[bytes], meta: ListMeta) -> Response:
    """A list of objects."""
    return answer(call, _list(call, wires, meta))


def answer(call: Call, body: bytes, status: int = 200) -> Response:
    """A JSON document as the client wants to read it."""
    headers = warnings(call.warnings)
    if call.output.yaml:
        return Response(status, as_yaml(body), content_type="application/yaml", headers=headers)
    if call.request.raw_query and "pretty" in call.request.query and call.flag("pretty"):
        body = pretty(body)
    return Response(status, body, headers=headers)


def shown(call: Call, wire: bytes, *, headers: bool) -> bytes:
    """One object in the wanted form; ``headers`` says whether a Table names its columns."""
    match call.output.form:
        case Form.OBJECT:
            return wire
        case Form.TABLE:
            version = _version_of(wire)
            return encode(_table(call, [wire], ListMeta(resource_version=version), headers=headers))
        case _:
            return encode(_partial(call.output, wire))


def _list(call: Call, wires: Sequence[bytes], meta: ListMeta) -> bytes:
    match call.output.form:
        case Form.OBJECT:
            return list_of(call.target.resource, wires, meta)
        case Form.TABLE:
            return encode(_table(call, wires, meta, headers=True))
        case _:
            items = [_partial(call.output, wire) for wire in wires]
            kind, version = Form.METADATA_LIST.value, f"meta.k8s.io/{call.output.version}"
            return encode({"kind": kind, "apiVersion": version, "metadata": meta, "items": items})


def list_of(resource: Resource, wires: Sequence[bytes], meta: ListMeta) -> bytes:
    """The list of a kind: the stored bytes, joined."""
    head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}","metadata":'.encode()
    return b"".join((head, encode(meta), b',"items":[', b",".join(wires), b"]}"))


def _partial(output: Output, wire: bytes) -> dict[str, Any]:
    metadata = _metadata_decoder.decode(wire).metadata
    return {"kind": Form.METADATA.value, "apiVersion": f"meta.k8s.io/{output.version}", "metadata": metadata}


def _table(call: Call, wires: Sequence[bytes], meta: ListMeta, *, headers: bool) -> dict[str, Any]:
    resource = call.target.resource
    shape = shape_of(resource.type)
    included = call.option("includeObject") or "Metadata"
    if included not in _INCLUDED:
        raise BadRequest(
            f'includeObject: unsupported value "{included}": supported values: "None", "Metadata", "Object"'
        )
    moment, rows = now(), []
    for wire in wires:
        item = decode(wire, resource.type)
        row: dict[str, Any] = {"cells": shape.cells(item, moment)}
        if shape.conditions is not None and (conditions := shape.conditions(item)):
            row["conditions"] = conditions
        if included != "None":
            row["object"] = msgspec.Raw(wire) if included == "Object" else _partial(call.output, wire)
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
