"""What is served, as clients ask for it before anything else: groups, versions, resources, verbs.

Both forms: the plain one (a document for each group version) and the aggregated one (``APIGroupDiscoveryList``), each
with an ETag. All documents are made once from ``api.resources``.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.codec import encode
from api.errors import NotAcceptable
from api.resources import Resource
from master.apiserver.http.message import Headers, Request, Response
from master.apiserver.negotiation import check_json, clauses
from master.apiserver.routing import SERVED, nowhere, operations_of
from master.apiserver.subresources import Kind, kind_of

_AGGREGATED_VERSIONS = ("v2", "v2beta1")
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_VERB_ORDER = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its ETag."""

    body: bytes
    etag: str
    content_type: str = "application/json"

    @property
    def hash(self) -> str:
        return self.etag.strip('"')


def document(value: Any, content_type: str = "application/json") -> Document:
    """The value as a JSON document."""
    return document_of(encode(value), content_type)


def document_of(body: bytes, content_type: str) -> Document:
    return Document(body, '"' + hashlib.sha256(body).hexdigest().upper() + '"', content_type)


class Discovery:
    """All discovery documents of one server. ``address`` is where clients reach it, as host:port."""

    def __init__(self, address: str, resources: tuple[Resource, ...] = SERVED) -> None:
        versions = sorted({(r.group, r.version) for r in resources})
        groups: dict[str, list[str]] = {}
        for group, version in sorted(versions, key=lambda pair: (pair[0], _priority(pair[1]))):
            if group:
                groups.setdefault(group, []).append(version)
        self._plain: dict[tuple[str, ...], Document] = {
            ("api",): document(_core_versions(address)),
            ("apis",): document(_group_list(groups)),
        }
        for group, served in groups.items():
            self._plain["apis", group] = document({"kind": "APIGroup", "apiVersion": "v1"} | _group(group, served))
        for group, version in versions:
            own = [r for r in resources if (r.group, r.version) == (group, version)]
            path = ("apis", group, version) if group else ("api", version)
            self._plain[path] = document(_resource_list(group, version, own))
        self._aggregated = {
            ("api", form): _aggregated({"": ["v1"]}, resources, form) for form in _AGGREGATED_VERSIONS
        } | {("apis", form): _aggregated(groups, resources, form) for form in _AGGREGATED_VERSIONS}

    def answer(self, request: Request) -> Response:
        """Raises NotFound for a group version that is not served, NotAcceptable."""
        segments = request.segments
        found = self._plain.get(segments)
        if found is None:
            raise nowhere()
        accept = request.headers.get("accept", "")
        if segments[0] == "api" or len(segments) == len(("apis", "group", "version")):
            check_json(accept)
        form = _wanted_form(accept)
        return conditional(request, self._aggregated.get((segments[0], form), found) if len(segments) == 1 else found)


def conditional(request: Request, found: Document, *, headers: Headers = ()) -> Response:
    """The document, or 304 when the client has it."""
    told = [("ETag", found.etag), ("Vary", "Accept"), *headers]
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(304, b"", headers=told)
    return Response(200, found.body, content_type=found.content_type, headers=told)


def _wanted_form(accept: str) -> str:
    """The version of the aggregated form that is wanted, or "" for the plain one. Raises NotAcceptable."""
    if not accept:
        return ""
    for clause in clauses(accept):
        if clause.media not in ("application/json", "application/*", "*/*"):
            continue
        parameters = clause.parameters
        if "as" not in parameters:
            return ""
        known = parameters.get("g") == "apidiscovery.k8s.io" and parameters["as"] == "APIGroupDiscoveryList"
        if known and parameters.get("v") in _AGGREGATED_VERSIONS:
            return parameters["v"]
    raise NotAcceptable("only the following media types are accepted: application/json")


def _core_versions(address: str) -> dict[str, Any]:
    by_client = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": by_client}


def _priority(version: str) -> tuple[int, int]:
    """Orders ``v2, v1, v1beta1, v1alpha1``: what is stable first, and of that the newest, as Kubernetes does."""
    match = _VERSION.fullmatch(version)
    assert match is not None, version
    major, stage, minor = match.groups()
    return {"": 0, "beta": 1, "alpha": 2}[stage or ""], -1000 * int(major) - int(minor or 0)


def _group(group: str, versions: list[str]) -> dict[str, Any]:
    served = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": served, "preferredVersion": served[0]}


def _group_list(groups: dict[str, list[str]]) -> dict[str, Any]:
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*group) for group in groups.items()]}


def _verbs(operations: Iterable[str]) -> list[str]:
    return [verb for verb in _VERB_ORDER if verb in operations]


def _resource_list(group: str, version: str, resources: list[Resource]) -> dict[str, Any]:
    entries = [entry for resource in resources for entry in _entries(resource)]
    group_version = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": sorted(entries, key=lambda entry: str(entry["name"])),
    }


def _entries(resource: Resource) -> list[dict[str, Any]]:
    found = []
    for subresource, operations in operations_of(resource).items():
        entry: dict[str, Any] = {
            "name": resource.plural + (f"/{subresource}" if subresource else ""),
            "singularName": "" if subresource else resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": _verbs(operations),
        }
        _, kind = kind_of(resource, subresource)
        if kind != kind_of(resource, "")[1]:
            entry |= {name: part for name, part in _kind(kind).items() if part}
        elif not subresource:
            entry |= _names(resource) | ({"storageVersionHash": _hash(resource)} if "get" in operations else {})
        found.append(entry)
    return found


def _names(resource: Resource) -> dict[str, Any]:
    names: dict[str, Any] = {}
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    if resource.categories:
        names["categories"] = list(resource.categories)
    return names


def _hash(resource: Resource) -> str:
    digest = hashlib.sha256(f"{resource.api_version}/{resource.kind}".encode()).digest()[:8]
    return str(encode(digest), "ascii").strip('"')


def _aggregated(groups: dict[str, list[str]], resources: tuple[Resource, ...], form: str) -> Document:
    items = [_aggregated_group(group, versions, resources) for group, versions in groups.items()]
    value = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{form}",
        "metadata": {},
        "items": items,
    }
    return document_of(encode(value), f"application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList")


def _aggregated_group(group: str, versions: list[str], resources: tuple[Resource, ...]) -> dict[str, Any]:
    def served(version: str) -> dict[str, Any]:
        own = [resource for resource in resources if (resource.group, resource.version) == (group, version)]
        return {"version": version, "freshness": "Current", "resources": [_aggregated_resource(item) for item in own]}

    metadata = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
    return {"metadata": metadata, "versions": [served(version) for version in versions]}


def _aggregated_resource(resource: Resource) -> dict[str, Any]:
    operations = operations_of(resource)
    subresources = [
        {"subresource": name, "responseKind": _kind(kind_of(resource, name)[1]), "verbs": _verbs(verbs)}
        for name, verbs in operations.items()
        if name
    ]
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": _kind(kind_of(resource, "")[1]),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(operations[""]),
    }
    return entry | _names(resource) | ({"subresources": subresources} if subresources else {})


def _kind(kind: Kind) -> dict[str, str]:
    return dict(zip(("group", "version", "kind"), kind, strict=True))
