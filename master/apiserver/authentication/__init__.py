"""Who asks. A verified client certificate names a user and its groups; without one the user is anonymous.

Another way to prove who one is (tokens) is one more function in AUTHENTICATORS: it returns the user, or None when the
request holds nothing for it, and raises Unauthorized when what it holds is wrong.
"""

from collections.abc import Callable
from functools import lru_cache

from api.errors import Unauthorized
from master.apiserver.authentication.user import ANONYMOUS, AUTHENTICATED_GROUP, MASTERS_GROUP, User
from master.apiserver.http.message import Peer, Request

__all__ = ["ANONYMOUS", "AUTHENTICATED_GROUP", "MASTERS_GROUP", "User", "authenticate"]


@lru_cache(maxsize=4096)
def _of_certificate(peer: Peer) -> User:
    return User(peer.common_name, frozenset(peer.organizations) | {AUTHENTICATED_GROUP})


def by_certificate(request: Request) -> User | None:
    """The subject of the client certificate: its common name is the user, its organizations are the groups."""
    peer = request.peer_certificate
    return _of_certificate(peer) if peer is not None and peer.common_name else None


def no_tokens(request: Request) -> User | None:
    """No bearer token is known here, so any is wrong."""
    if "authorization" in request.headers:
        raise Unauthorized("Unauthorized")
    return None


AUTHENTICATORS: tuple[Callable[[Request], User | None], ...] = (by_certificate, no_tokens)


def authenticate(request: Request) -> User:
    """Raises Unauthorized for a proof that does not hold."""
    for authenticator in AUTHENTICATORS:
        user = authenticator(request)
        if user is not None:
            return user
    return ANONYMOUS
