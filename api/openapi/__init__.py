"""OpenAPI documents from the declarations: version 3 for each group version, version 2 for everything at once.

What ``kubectl explain``, ``apply`` and ``create --validate`` read of them is all there: descriptions, merge keys, the
group, version and kind of each operation and schema, and the query parameters of each operation.
"""

from collections.abc import Sequence
from typing import Any

from api.openapi.dialect import Dialect, Served
from api.openapi.operations import paths_of
from api.openapi.schemas import schemas

__all__ = ["Served", "document_v2", "document_v3"]

_BEARER = {
    "BearerToken": {
        "description": "Bearer Token authentication: Bearer TOKEN",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}


def document_v3(served: Sequence[Served], *, version: str) -> dict[str, Any]:
    """The document of one group version."""
    dialect = Dialect(3)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths_of(served, dialect),
        "components": {"schemas": schemas(served, dialect), "securitySchemes": _BEARER},
        "security": [{name: []} for name in _BEARER],
    }


def document_v2(served: Sequence[Served], *, version: str) -> dict[str, Any]:
    """The document of all that is served."""
    dialect = Dialect(2)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths_of(served, dialect),
        "definitions": schemas(served, dialect),
        "security": [{name: []} for name in _BEARER],
        "securityDefinitions": _BEARER,
    }
