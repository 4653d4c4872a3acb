"""The errors the HTTP edge itself answers with, before any handler has seen the request.

They carry the same `Status` body as every other error of the API, so that kubectl prints them.
"""

from __future__ import annotations

import msgspec

from master.apiserver.http.message import Response

# The reasons that clients know (apimachinery pkg/apis/meta/v1/types.go); other codes are a plain BadRequest.
_REASONS = {
    408: "Timeout",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class RefusedError(Exception):
    """This request cannot be taken; the connection ends after the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def status_response(status: int, message: str) -> Response:
    """A failure as a Kubernetes `Status`; 429 tells the client to come back after a second."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(status, "BadRequest"),
        "code": status,
    }
    headers = (("Retry-After", "1"),) if status == 429 else ()
    return Response(status, msgspec.json.encode(body), headers=headers)
