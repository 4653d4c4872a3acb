"""What is asked of a document: the paths that are served, and the version of OpenAPI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.resources import Resource
from api.struct import Struct


@dataclass(frozen=True, slots=True)
class Served:
    """One path of a resource: the collection and object (no subresource), or one subresource.

    verbs: as in discovery. type: what is sent and answered, when it is not the resource's own type; None for text.
    kind: group, version and kind of that.
    """

    resource: Resource
    subresource: str
    verbs: tuple[str, ...]
    type: type[Struct] | None
    kind: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the versions of OpenAPI differ."""

    version: int

    def reference(self, name: str) -> dict[str, Any]:
        return {"$ref": ("#/components/schemas/" if self.version == 3 else "#/definitions/") + name}

    def property(self, name: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        """A field that is a part of its own; version 3 allows nothing beside a reference."""
        if self.version == 3 and extra:
            return {**extra, "allOf": [self.reference(name)]}
        return {**extra, **self.reference(name)}
