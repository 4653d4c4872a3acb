"""Bootstrap tokens, ``ID.SECRET``: how a machine that has nothing yet proves that it was invited.

Each is a secret ``bootstrap-token-ID`` in kube-system, of type ``bootstrap.kubernetes.io/token``. It is good while its
secret fits, its time runs, and it says that it is for authentication.

Source: k8s.io/kubernetes, plugin/pkg/auth/authenticator/token/bootstrap.
"""

import hmac
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import cast

from api.core import Secret
from api.resources import resource_of
from master.apiserver.authentication.user import AUTHENTICATED_GROUP, BadTokenError, User
from master.apiserver.cache import Cache

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens:
    """Judges from the secrets in the cache."""

    def __init__(self, cache: Cache, *, clock: Callable[[], float] = time.time) -> None:
        self._secrets = cache.table(resource_of(Secret))
        self._clock = clock

    def judge(self, token: str) -> User | None:
        """None for a token that is not of this kind. Raises BadTokenError."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        identity, secret = match.groups()
        item = self._secrets.get(NAMESPACE, f"bootstrap-token-{identity}")
        if item is None:
            raise BadTokenError("no such token")
        found = cast(Secret, item.decode())
        if found.type != TYPE or found.metadata.deletion_timestamp is not None:
            raise BadTokenError("no such token")
        if _text(found, "token-id") != identity or not hmac.compare_digest(_text(found, "token-secret"), secret):
            raise BadTokenError("the secret does not fit")
        if self._is_over(found):
            raise BadTokenError("the token has expired")
        if _text(found, "usage-bootstrap-authentication") != "true":
            raise BadTokenError("the token is not for authentication")
        return User(f"system:bootstrap:{identity}", _groups(found) | {GROUP, AUTHENTICATED_GROUP})

    def _is_over(self, secret: Secret) -> bool:
        text = _text(secret, "expiration")
        if not text:
            return False
        try:
            end = datetime.fromisoformat(text)
        except ValueError:
            return True
        return end.tzinfo is None or end.timestamp() <= self._clock()


def _groups(secret: Secret) -> frozenset[str]:
    """Raises BadTokenError for a group that no token may give."""
    found = frozenset(name.strip() for name in _text(secret, "auth-extra-groups").split(",") if name.strip())
    if any(not _EXTRA_GROUP.fullmatch(name) for name in found):
        raise BadTokenError("a group in auth-extra-groups is not one of bootstrappers")
    return found


def _text(secret: Secret, key: str) -> str:
    """What cannot be text is as good as absent, and never equal to anything."""
    value = secret.data.get(key, b"")
    return value.decode() if value.isascii() else ""
