"""Tokens of service accounts: issued as signed JWTs with Kubernetes' claims, good as long as what they name exists.

The rule: a token is good while its time runs, its account is there under the same UID, and so is the pod, secret or
node to which it is bound. Nothing is stored; a deleted account or pod ends its tokens at once.

Source: k8s.io/kubernetes, pkg/serviceaccount (claims.go).
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from api.core import Node, Pod, Secret, ServiceAccount
from api.meta import Object
from api.resources import resource_of
from master.apiserver.authentication.user import ACCOUNT_PREFIX, AUTHENTICATED_GROUP, BadTokenError, Extra, User
from master.apiserver.cache import Cache, Item

if TYPE_CHECKING:
    from master.apiserver.authentication.jwt import SigningKey

GROUP = "system:serviceaccounts"
_KEPT = 4096
# Clocks differ a little.
_LEEWAY_S = 10


class Reference(msgspec.Struct, frozen=True):
    """An object by name and UID."""

    name: str
    uid: str


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """Kubernetes' own claims."""

    namespace: str
    serviceaccount: Reference
    pod: Reference | None = None
    secret: Reference | None = None
    node: Reference | None = None


class Claims(msgspec.Struct, frozen=True):
    """All that a token says; times are seconds since 1970."""

    aud: tuple[str, ...]
    exp: int
    iat: int
    iss: str
    jti: str
    kubernetes: Private = msgspec.field(name="kubernetes.io")
    nbf: int
    sub: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Whose token it is, and which of the wanted audiences it is for."""

    user: User
    audiences: tuple[str, ...]


class _Identity(msgspec.Struct):
    uid: str = ""


class _Identified(msgspec.Struct):
    metadata: _Identity


_uid_decoder = msgspec.json.Decoder(_Identified)
_BINDINGS: tuple[tuple[str, type[Object]], ...] = (("pod", Pod), ("secret", Secret), ("node", Node))


class ServiceAccountTokens:
    """Issues and judges. ``key`` is asked when the first token comes; ``clock`` gives seconds since 1970."""

    def __init__(
        self, cache: Cache, key: "Callable[[], SigningKey]", *, issuer: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._cache = cache
        self._key = key
        self.issuer = issuer
        self._clock = clock
        self._claims = lru_cache(maxsize=_KEPT)(self._verified)

    @property
    def key(self) -> "SigningKey":
        return self._key()

    @property
    def audience(self) -> str:
        """For whom a token is when nobody else is named: this server."""
        return self.issuer

    def issue(
        self, namespace: str, account: Reference, *, audiences: Sequence[str], expires_s: int, bound: Private | None
    ) -> tuple[str, int]:
        """A token and its end. ``bound`` carries what it lives and dies with."""
        now = int(self._clock())
        claims = Claims(
            aud=tuple(audiences) or (self.audience,),
            exp=now + expires_s,
            iat=now,
            iss=self.issuer,
            jti=str(uuid.uuid4()),
            kubernetes=bound or Private(namespace, account),
            nbf=now,
            sub=f"{ACCOUNT_PREFIX}{namespace}:{account.name}",
        )
        return self.key.sign(claims), claims.exp

    def judge(self, token: str, audiences: Sequence[str] = ()) -> Proof | None:
        """None for a token that is not of this kind. Raises BadTokenError for one that is no longer, or never was,
        good."""
        if token.count(".") != 2:
            return None
        claims = self._claims(token)
        now = self._clock()
        if claims.exp < now - _LEEWAY_S:
            raise BadTokenError("the token has expired")
        if claims.nbf > now + _LEEWAY_S:
            raise BadTokenError("the token is not good yet")
        wanted = tuple(audiences) or (self.audience,)
        fitting = tuple(one for one in wanted if one in claims.aud)
        if not fitting:
            raise BadTokenError("the token is for somebody else")
        self._check_life(claims.kubernetes)
        return Proof(user_of(claims), fitting)

    def _verified(self, token: str) -> Claims:
        try:
            claims = msgspec.json.decode(self.key.verified(token), type=Claims)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadTokenError("the claims are not those of a service account") from error
        if claims.iss != self.issuer:
            raise BadTokenError("issued by somebody else")
        if claims.sub != f"{ACCOUNT_PREFIX}{claims.kubernetes.namespace}:{claims.kubernetes.serviceaccount.name}":
            raise BadTokenError("the subject is not the account")
        return claims

    def _check_life(self, private: Private) -> None:
        if not self._lives(ServiceAccount, private.namespace, private.serviceaccount):
            raise BadTokenError("the service account is gone")
        for name, kind in _BINDINGS:
            # A token of a pod names the node too, for others to read; it does not die with it.
            reference: Reference | None = getattr(private, name)
            if reference is None or (kind is Node and private.pod is not None):
                continue
            if not self._lives(kind, private.namespace, reference):
                raise BadTokenError(f"the {name} is gone")

    def _lives(self, kind: type[Object], namespace: str, reference: Reference) -> bool:
        item = self._cache.table(resource_of(kind)).get(namespace, reference.name)
        return item is not None and uid_of(item) == reference.uid


def uid_of(item: Item) -> str:
    return _uid_decoder.decode(item.wire).metadata.uid


def user_of(claims: Claims) -> User:
    """The user that a service account is."""
    private = claims.kubernetes
    return account_user(private.namespace, private.serviceaccount.name, private.serviceaccount.uid, _extra(claims))


def account_user(namespace: str, name: str, uid: str = "", extra: Extra = ()) -> User:
    return User(f"{ACCOUNT_PREFIX}{namespace}:{name}", account_groups(namespace) | {AUTHENTICATED_GROUP}, uid, extra)


def account_groups(namespace: str) -> frozenset[str]:
    return frozenset((GROUP, f"{GROUP}:{namespace}"))


def _extra(claims: Claims) -> Extra:
    found = [("authentication.kubernetes.io/credential-id", (f"JTI={claims.jti}",))]
    for name, reference in (("node", claims.kubernetes.node), ("pod", claims.kubernetes.pod)):
        if reference is not None:
            found.append((f"authentication.kubernetes.io/{name}-name", (reference.name,)))
            found.append((f"authentication.kubernetes.io/{name}-uid", (reference.uid,)))
    return tuple(found)
