"""Bearer tokens of browsers, which can set no header on a WebSocket: as one of the subprotocols that are offered.

``Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.TOKEN, v4.channel.k8s.io``; the token is base64url
without padding. The rule: it is taken out of the request, so that it gets neither into the answer nor to a pod.
"""

import base64
import binascii

from master.apiserver.authentication.user import BadTokenError
from master.apiserver.http.message import Request

_HEADER = "sec-websocket-protocol"
_PREFIX = "base64url.bearer.authorization.k8s.io."


def take_token(request: Request) -> str | None:
    """None when there is none. Raises BadTokenError for one that is not written as it should be."""
    if _HEADER not in request.headers or request.headers.get("upgrade", "").lower() != "websocket":
        return None
    offered = [one.strip() for one in request.headers[_HEADER].split(",")]
    tokens = [one.removeprefix(_PREFIX) for one in offered if one.startswith(_PREFIX)]
    if not tokens:
        return None
    others = [one for one in offered if one and not one.startswith(_PREFIX)]
    if len(tokens) > 1:
        raise BadTokenError("several tokens among the subprotocols")
    if not others:
        raise BadTokenError("a token and no other subprotocol, which the answer would have to name")
    request.headers[_HEADER] = ", ".join(others)
    request.repeated_headers.pop(_HEADER, None)
    return _decoded(tokens[0])


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadTokenError("the token among the subprotocols is no base64url") from error
