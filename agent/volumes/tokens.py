"""Tokens of service accounts for projected volumes: asked for when they are mounted, and again before they end.

The kubelet's rule: a token is renewed when four fifths of its life are over, or when it is a day old. Kept in memory
only; after a restart of the agent a pod gets a new one.
"""

import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.pods.problems import not_had
from api.authentication import BoundObjectReference, TokenRequest, TokenRequestSpec
from api.core import Pod
from api.core.volume import ServiceAccountTokenProjection
from api.errors import ApiError
from api.meta import ObjectMeta
from client import Client, Unreachable

TokenKey = tuple[str, int]  # audience, seconds
_DEFAULT_LIFE_S = 3600
_LIFE_USED = 0.8
_OLDEST = timedelta(hours=24)
_JITTER_S = 10.0


def key_of(projection: ServiceAccountTokenProjection) -> TokenKey:
    return projection.audience, projection.expiration_seconds or _DEFAULT_LIFE_S


def wanted_tokens(pod: Pod) -> set[TokenKey]:
    """The tokens that the pod's volumes hold."""
    return {
        key_of(source.service_account_token)
        for volume in pod.spec.volumes
        for source in (volume.projected.sources if volume.projected is not None else ())
        if source.service_account_token is not None
    }


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    renew_at: datetime
    expires_at: datetime


class Tokens:
    """Thread-safe; a pod's tokens are asked for by the worker that has the pod."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._held: dict[tuple[str, TokenKey], _Held] = {}

    def of(self, pod: Pod, now: datetime) -> dict[TokenKey, str]:
        """Raises ConfigError when a token is needed and cannot be had, ApiAway when nobody answers.

        One that is still good outlasts the master.
        """
        return {key: self._token(pod, key, now) for key in wanted_tokens(pod)}

    def forget(self, uid: str) -> None:
        with self._lock:
            for key in [key for key in self._held if key[0] == uid]:
                del self._held[key]

    def _token(self, pod: Pod, key: TokenKey, now: datetime) -> str:
        with self._lock:
            held = self._held.get((pod.metadata.uid, key))
        if held is not None and now < held.renew_at:
            return held.token
        try:
            fresh = self._ask(pod, key, now)
        except (ApiError, Unreachable) as error:
            if held is not None and now < held.expires_at:
                return held.token
            raise not_had(f"failed to fetch token: {error}", error) from error
        with self._lock:
            self._held[(pod.metadata.uid, key)] = fresh
        return fresh.token

    def _ask(self, pod: Pod, key: TokenKey, now: datetime) -> _Held:
        audience, life_s = key
        account = pod.spec.service_account_name or "default"
        meta = pod.metadata
        spec = TokenRequestSpec(
            audiences=[audience] if audience else [],
            expiration_seconds=life_s,
            bound_object_ref=BoundObjectReference(kind="Pod", api_version="v1", name=meta.name, uid=meta.uid),
        )
        request = TokenRequest(metadata=ObjectMeta(name=account, namespace=meta.namespace), spec=spec)
        status = self._client.request_token(request).status
        expires_at = status.expiration_timestamp or now + timedelta(seconds=life_s)
        used = min((expires_at - now) * _LIFE_USED, _OLDEST) - timedelta(seconds=random.uniform(0, _JITTER_S))
        return _Held(status.token, now + used, expires_at)
