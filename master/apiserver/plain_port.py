"""The port without TLS: whoever reaches it is on this host, and the operator asked for it.

A browser on this host also reaches it, and may show pages of strangers. So what comes from a page must come from one of
this server: a name that a stranger made point here (DNS rebinding) and a page of another origin are refused.
"""

import ipaddress
from collections.abc import Awaitable
from functools import lru_cache

from api.errors import Forbidden
from master.apiserver.authentication.user import MASTERS_GROUP
from master.apiserver.http.message import Answer, Handler, Peer, Request
from master.apiserver.responses import error_response

_LOCAL = Peer("system:insecure", (MASTERS_GROUP,))
# What a browser says of the page that asks; other clients say nothing.
_OWN_PAGE = ("", "none", "same-origin")


def with_all_rights(handler: Handler) -> Handler:
    """The handler, for whom every client is an administrator."""

    def handle(request: Request) -> Answer | Awaitable[Answer]:
        wrong = _from_elsewhere(request)
        if wrong:
            return error_response(request, Forbidden(f"forbidden: {wrong}"))
        request.peer_certificate = _LOCAL
        return handler(request)

    return handle


def _from_elsewhere(request: Request) -> str:
    """Why a request may be a stranger's; empty for one that is of this host."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin", "")
    if not _is_loopback(host):
        return f"this port is for clients on this host, which call it localhost and not {host[:80]!r}"
    if origin and origin != f"http://{host}":
        return "this port takes nothing from pages of another origin"
    if request.method not in ("GET", "HEAD") and request.headers.get("sec-fetch-site", "") not in _OWN_PAGE:
        return "this port takes nothing from pages of another site"
    return ""


# Clients say the same few names in every request. Bounded, since they choose them.
@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
