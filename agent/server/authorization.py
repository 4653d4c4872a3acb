"""Who may ask what at the agent's port. A certificate of a trusted group may all; of all others the master says it.

As the kubelet's webhook mode: whose a bearer token is says a TokenReview; what its user, or that of another
certificate, may do says a SubjectAccessReview of nodes/metrics, nodes/stats or, for all else, nodes/proxy. A stream
counts as create, also when it comes by GET. Answers are kept for a while, in bounded number. While the master is away
nobody new comes in.
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from api.authentication import TokenReview, TokenReviewSpec, UserInfo
from api.authorization import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from api.errors import ApiError, Forbidden, ServiceUnavailable, Unauthorized
from client import Client, Unreachable

TOKEN_S, ALLOWED_S, DENIED_S = 120.0, 300.0, 30.0  # the kubelet's
_MOST_KEPT = 1000
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SUBRESOURCES = {"stats": "stats", "metrics": "metrics"}
_STREAMS = ("exec", "attach", "portForward", "run")


@dataclass(frozen=True, slots=True)
class User:
    """As a certificate or the master names them."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


class Authorizer:
    """Thread-safe. ``trusted``: groups whose certificates are not asked about. ``clock``: seconds, never back."""

    def __init__(
        self, client: Client, node: str, trusted: Collection[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._node = node
        self._trusted = frozenset(trusted)
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def check(self, certificate: Mapping[str, Any], authorization: str, *, method: str, path: str) -> None:
        """Raises Unauthorized, Forbidden, or ServiceUnavailable when the master cannot be asked."""
        groups = names_of(certificate, "organizationName")
        if self._trusted & set(groups):
            return
        try:
            user = self._user(certificate, groups, authorization)
            verb, subresource = act_of(method, path)
            if self._allows(user, verb, subresource):
                return
        except (ApiError, Unreachable) as error:
            if isinstance(error, Unauthorized):
                raise
            raise ServiceUnavailable(f"the API server cannot be asked who may do this: {error}") from error
        raise Forbidden(f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource={subresource})")

    def _user(self, certificate: Mapping[str, Any], groups: tuple[str, ...], authorization: str) -> User:
        if names := names_of(certificate, "commonName"):
            return User(names[0], (*groups, "system:authenticated"))
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("Unauthorized")
        key = ("token", hashlib.sha256(token.encode()).digest())
        found = self._known(key, lambda: (self._whose(token.strip()), TOKEN_S))
        if found is None:
            raise Unauthorized("Unauthorized")
        return User(found.username, tuple(found.groups), found.uid)

    def _whose(self, token: str) -> UserInfo | None:
        status = self._client.review(TokenReview(spec=TokenReviewSpec(token=token))).status
        return status.user if status.authenticated else None

    def _allows(self, user: User, verb: str, subresource: str) -> bool:
        def ask() -> tuple[bool, float]:
            wanted = ResourceAttributes(
                verb=verb, version="v1", resource="nodes", subresource=subresource, name=self._node
            )
            spec = SubjectAccessReviewSpec(
                resource_attributes=wanted, user=user.name, groups=list(user.groups), uid=user.uid
            )
            allowed = self._client.review(SubjectAccessReview(spec=spec)).status.allowed
            return allowed, ALLOWED_S if allowed else DENIED_S

        return bool(self._known((user, verb, subresource), ask))

    def _known(self, key: Hashable, ask: Callable[[], tuple[Any, float]]) -> Any:
        """What was answered not long ago, or what ``ask`` says now and for how many seconds it holds."""
        now = self._clock()
        with self._lock:
            until, answer = self._kept.get(key, (now, None))
        if now < until:
            return answer
        answer, life_s = ask()
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = now + life_s, answer
        return answer


def act_of(method: str, path: str) -> tuple[str, str]:
    """Verb and subresource of nodes."""
    first = path.split("/")[1] if path.startswith("/") else ""
    verb = "create" if first in _STREAMS else _VERBS.get(method, method.lower())
    return verb, _SUBRESOURCES.get(first, "proxy")


def names_of(certificate: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """``organizationName`` or ``commonName`` of a client certificate, as ``SSLSocket.getpeercert`` gives it."""
    return tuple(value for part in certificate.get("subject", ()) for name, value in part if name == kind)
