"""The OpenAPI documents: made on the first request for one, kept, and named by their hash.

``/openapi/v3`` lists the documents with a hash in each address, so that clients may keep them for ever. Version 2 is
there as JSON and in the protobuf form, the only one of it that kubectl reads.
"""

import time
from functools import cached_property

from api.errors import NotAcceptable
from api.openapi import Served, document_v2, document_v3
from api.protobuf import swagger
from api.resources import Resource
from client.build import git_version
from master.apiserver.discovery import Document, conditional, document, document_of
from master.apiserver.http.message import Request, Response
from master.apiserver.http.wire import http_date
from master.apiserver.negotiation import clauses
from master.apiserver.routing import SERVED, nowhere, operations_of
from master.apiserver.subresources import kind_of

_KEPT = "public, immutable"
_JSON = ("application/json", "application/*", "*/*")


def served_paths(resources: tuple[Resource, ...] = SERVED) -> list[Served]:
    """Everything that is served, for the schema."""
    return [
        Served(resource, subresource, tuple(operations), *kind_of(resource, subresource))
        for resource in resources
        for subresource, operations in operations_of(resource).items()
    ]


class Schemas:
    """All OpenAPI documents of one server."""

    def __init__(self) -> None:
        self._served = served_paths()
        groups = sorted({(one.resource.group, one.resource.version) for one in self._served})
        self._paths = {
            f"apis/{group}/{version}" if group else f"api/{version}": (group, version) for group, version in groups
        }
        self._documents: dict[str, Document] = {}

    @property
    def groups(self) -> list[str]:
        """Paths of the documents of version 3."""
        return list(self._paths)

    def answer(self, request: Request) -> Response:
        """Raises NotFound, NotAcceptable."""
        _, version, *rest = *request.segments, ""
        path = "/".join(part for part in rest if part)
        if version == "v2" and not path:
            return conditional(request, self._v2_protobuf if _wants_protobuf(request) else self._v2)
        _check_accepted(request)
        if version != "v3" or (path and path not in self._paths):
            raise nowhere()
        if not path:
            return conditional(request, self._index)
        found = self._v3(path)
        wanted = request.query.get("hash", [""])[0]
        if not wanted:
            return conditional(request, found)
        if wanted != found.hash:
            # Old addresses lead to the present document, and are not kept as it.
            return Response(301, b"", headers=[("Location", _address(path, found))])
        return conditional(request, found, headers=[("Cache-Control", _KEPT), ("Expires", _in_a_year())])

    def _v3(self, path: str) -> Document:
        if path not in self._documents:
            own = [one for one in self._served if (one.resource.group, one.resource.version) == self._paths[path]]
            self._documents[path] = document(document_v3(own, version=git_version()))
        return self._documents[path]

    @cached_property
    def _v2(self) -> Document:
        return document(document_v2(self._served, version=git_version()))

    @cached_property
    def _v2_protobuf(self) -> Document:
        body = swagger.encode_document(document_v2(self._served, version=git_version()))
        return document_of(body, swagger.CONTENT_TYPE.replace("@", "."))  # "@" may not stand in a media type

    @cached_property
    def _index(self) -> Document:
        paths = {path: {"serverRelativeURL": _address(path, self._v3(path))} for path in self._paths}
        return document({"paths": paths})


def _address(path: str, found: Document) -> str:
    return f"/openapi/v3/{path}?hash={found.hash}"


def _in_a_year() -> str:
    return http_date(int(time.time()) + 365 * 24 * 3600)


def _wants_protobuf(request: Request) -> bool:
    """Is it the first of the forms that we have? Raises NotAcceptable when none is wanted."""
    for clause in clauses(request.headers.get("accept", "")):
        if clause.media == swagger.CONTENT_TYPE:
            return True
        if clause.media in _JSON:
            return False
    _check_accepted(request)
    return False


def _check_accepted(request: Request) -> None:
    """Raises NotAcceptable where only protobuf will do."""
    accept = request.headers.get("accept", "")
    if accept and not any(clause.media in _JSON for clause in clauses(accept)):
        raise NotAcceptable("only the following media types are accepted: application/json")
