"""Who asks: a client certificate, or a bearer token, or nobody in particular.

The rule: a proof that does not hold is refused, never passed over; only a request that holds none is anonymous. Another
kind of token is one more line in ``Authenticator.judge``.
"""

import logging
import time
from collections.abc import Sequence
from functools import lru_cache

from api.errors import Unauthorized
from master.apiserver.authentication.bootstrap_tokens import BootstrapTokens
from master.apiserver.authentication.service_accounts import Proof, ServiceAccountTokens
from master.apiserver.authentication.user import ANONYMOUS, AUTHENTICATED_GROUP, BadTokenError, User
from master.apiserver.authentication.websocket_tokens import take_token
from master.apiserver.http.message import Peer, Request

log = logging.getLogger(__name__)


@lru_cache(maxsize=4096)
def _of_certificate(peer: Peer) -> User:
    return User(peer.common_name, frozenset(peer.organizations) | {AUTHENTICATED_GROUP})


class Authenticator:
    """All ways to prove who one is."""

    def __init__(self, accounts: ServiceAccountTokens, bootstrap: BootstrapTokens) -> None:
        self.accounts = accounts
        self._bootstrap = bootstrap

    def __call__(self, request: Request) -> User:
        """Raises Unauthorized for a proof that does not hold."""
        peer = request.peer_certificate
        if peer is not None and peer.common_name:
            if peer.ends is not None and peer.ends <= time.perf_counter():
                # A connection outlives the handshake that looked at the certificate.
                log.info("certificate has expired user=%s", peer.common_name)
                raise Unauthorized("Unauthorized")
            return _of_certificate(peer)
        if "authorization" in request.headers:
            token = request.bearer_token
        elif (token := self._of_websocket(request)) is None:
            return ANONYMOUS
        proof = self._judged(token) if token is not None else None
        if proof is None:
            raise Unauthorized("Unauthorized")
        return proof.user

    @staticmethod
    def _of_websocket(request: Request) -> str | None:
        try:
            return take_token(request)
        except BadTokenError as error:
            log.info("token refused error=%s", error)
            raise Unauthorized("Unauthorized") from error

    def judge(self, token: str, audiences: Sequence[str] = ()) -> Proof | None:
        """Whose token it is; None when it is of no kind known here. Raises BadTokenError."""
        proof = self.accounts.judge(token, audiences)
        if proof is not None:
            return proof
        user = self._bootstrap.judge(token)
        own = self.accounts.audience
        return Proof(user, (own,)) if user is not None and own in (*audiences, *(() if audiences else (own,))) else None

    def _judged(self, token: str) -> Proof | None:
        try:
            return self.judge(token)
        except BadTokenError as error:
            log.info("token refused error=%s", error)
            return None
