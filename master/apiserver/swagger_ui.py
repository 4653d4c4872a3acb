"""The API in a browser: swagger-ui at ``/swagger-ui/``, reading this server's own OpenAPI documents.

Everything comes from here: the page and one script are ours, the rest are files of the package flask-swagger-ui (of
which only the files are used; Flask is never imported). The page holds no secret and needs none of its own: who may
see ``/openapi`` may see it, and what is tried out goes to the server with the browser's own credentials.
A browser has no client certificate; ``kubectl proxy`` lends it the one of its user.
"""

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from api.codec import encode
from api.errors import ServiceUnavailable
from master.apiserver.discovery import Document, conditional, document_of
from master.apiserver.http.message import Request, Response
from master.apiserver.routing import nowhere

ROOT = "swagger-ui"
_PACKAGE = "flask_swagger_ui"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
_ASSETS = (
    "favicon-16x16.png",
    "favicon-32x32.png",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>API of this cluster</title>
  <link rel="stylesheet" href="swagger-ui.css">
  <link rel="stylesheet" href="index.css">
  <link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="swagger-ui-bundle.js"></script>
  <script src="swagger-ui-standalone-preset.js"></script>
  <script src="start.js"></script>
</body>
</html>
"""
_START = """window.ui = SwaggerUIBundle({
  urls: DOCUMENTS,
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  operationsSorter: "alpha",
  tagsSorter: "alpha",
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
});
"""
# Nothing from elsewhere, in nobody's frame. Swagger-ui sets styles of its own, and has its arrows in data: addresses.
_HEADERS = [
    ("Cache-Control", "private, no-cache"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]


class SwaggerUi:
    """The page and its files. ``groups`` are the paths of the documents of version 3, as ``api/v1``."""

    def __init__(self, groups: Sequence[str]) -> None:
        documents = [{"name": "everything", "url": "../openapi/v2"}]
        documents += [{"name": group, "url": f"../openapi/v3/{group}"} for group in groups]
        start = _START.replace("DOCUMENTS", encode(documents).decode())
        self._own = {
            "index.html": document_of(_PAGE.encode(), _TYPES[".html"]),
            "start.js": document_of(start.encode(), _TYPES[".js"]),
        }

    def answer(self, request: Request) -> Response:
        """Raises NotFound for a file that is not there."""
        _, *rest = request.segments
        if not rest and not request.raw_path.endswith("/"):
            # The addresses in the page are relative to the folder.
            return Response(301, b"", content_type="text/html", headers=[("Location", f"{ROOT}/")])
        name = "/".join(rest) or "index.html"
        found = self._own.get(name) or self._assets.get(name)
        if found is None:
            raise nowhere()
        return conditional(request, found, headers=_HEADERS)

    @cached_property
    def _assets(self) -> dict[str, Document]:
        folder = _folder()
        return {name: document_of((folder / name).read_bytes(), _TYPES[Path(name).suffix]) for name in _ASSETS}


def _folder() -> Path:
    """Where the package's files are; found without running the package. Raises ServiceUnavailable."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ServiceUnavailable("swagger-ui is not installed here: the package flask-swagger-ui is missing")
    return Path(spec.origin).parent / "dist"
