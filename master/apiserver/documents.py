"""What is asked for by paths that name no resource: discovery, schemas, health, version, metrics, the page of the API.

Each answer is a document that is there already; nothing here waits or writes. Another document is one more line in
``Documents``.
"""

from collections.abc import Callable

from master.apiserver.discovery import Discovery
from master.apiserver.health import Health
from master.apiserver.http.message import Request, Response
from master.apiserver.identity import OpenIdDocuments
from master.apiserver.metrics import CONTENT_TYPE, Metrics
from master.apiserver.negotiation import check_json
from master.apiserver.responses import plain_response
from master.apiserver.routing import not_allowed, nowhere
from master.apiserver.schemas import Schemas
from master.apiserver.swagger_ui import ROOT, SwaggerUi
from master.apiserver.version import version_document

# There are no custom resources. kubectl asks for them before it says that it knows no such kind.
CUSTOM_RESOURCES = ("apis", "apiextensions.k8s.io", "v1", "customresourcedefinitions")
_NO_CUSTOM_RESOURCES = {
    "kind": "CustomResourceDefinitionList",
    "apiVersion": "apiextensions.k8s.io/v1",
    "metadata": {"resourceVersion": "0"},
    "items": [],
}
_PATHS = {
    "paths": [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openid/v1/jwks",
        "/readyz",
        "/swagger-ui/",
        "/version",
    ]
}


class Documents:
    """Those of one server, by the first part of their path."""

    def __init__(self, discovery: Discovery, identity: OpenIdDocuments, health: Health, metrics: Metrics) -> None:
        schemas = Schemas()
        self._roots: dict[str, Callable[[Request], Response]] = {
            "api": discovery.answer,
            "apis": discovery.answer,
            "openapi": schemas.answer,
            ROOT: SwaggerUi(schemas.groups).answer,
            "healthz": health.answer,
            "livez": health.answer,
            "readyz": health.answer,
            **dict.fromkeys((".well-known", "openid"), identity.answer),
        }
        self._whole: dict[tuple[str, ...], Callable[[Request], Response]] = {
            (): lambda _: plain_response(_PATHS),
            CUSTOM_RESOURCES: lambda _: plain_response(_NO_CUSTOM_RESOURCES),
            ("version",): _version,
            ("metrics",): lambda _: Response(200, metrics.text(), content_type=CONTENT_TYPE),
        }

    def answer(self, request: Request) -> Response:
        """Raises NotFound, MethodNotAllowed; NotAcceptable for a form that a document does not have."""
        segments = request.segments
        if request.method != "GET" and (request.method != "HEAD" or _is_for_get_alone(segments)):
            raise not_allowed()
        if whole := self._whole.get(segments):
            return whole(request)
        root = self._roots.get(segments[0])
        if root is None:
            raise nowhere()
        return root(request)


def _version(request: Request) -> Response:
    check_json(request.headers.get("accept", ""))
    return plain_response(version_document())


def _is_for_get_alone(segments: tuple[str, ...]) -> bool:
    """Documents of which Kubernetes does not answer HEAD: what one version serves, not the lists above it."""
    match segments:
        case ("api" | "version" | ".well-known" | "openid", *_):
            return True
        case ("apis", _, _, *_):
            return True
        case _:
            return False
