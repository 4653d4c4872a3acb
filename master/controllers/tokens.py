"""Token controller: fills secrets of the type ``kubernetes.io/service-account-token``, and removes them with their
account.

The annotation ``kubernetes.io/service-account.name`` says whose token is wanted. The API server signs it, bound to the
account and to the secret: deleting either ends it at once. It does not run out otherwise; a pod is better served by a
projected token.
"""

from typing import Any

from api.authentication import BoundObjectReference, TokenRequest, TokenRequestSpec
from api.codec import plain
from api.core import Secret, ServiceAccount
from api.errors import NotFound
from api.meta import ObjectMeta
from client import Client
from master.controllers.informers import BY_ACCOUNT, Informers
from master.controllers.loop import Key, Loop

NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
# The most that the API takes: 136 years.
_FOR_GOOD_S = 2**32


class TokenController:
    """``ca`` is PEM."""

    name = "serviceaccount-token"

    def __init__(self, client: Client, informers: Informers, ca: bytes) -> None:
        self._client = client
        self._ca = ca
        self._secrets = informers.token_secrets
        self._accounts = informers.service_accounts
        self.loop = Loop(self.name, self.reconcile)
        self.loop.follow(self._secrets)
        self._accounts.add_listener(self._account_changed)

    def _account_changed(self, old: ServiceAccount | None, new: ServiceAccount | None) -> None:
        account = new or old
        if account is None or (old is not None and new is not None):
            return
        for secret in self._secrets.indexed(BY_ACCOUNT, f"{account.metadata.namespace}/{account.metadata.name}"):
            self.loop.queue.add((secret.metadata.namespace, secret.metadata.name))

    def reconcile(self, key: Key) -> str:
        secret = self._secrets.get(*key)
        name = secret.metadata.annotations.get(NAME, "") if secret is not None else ""
        if secret is None or not name or secret.metadata.deletion_timestamp is not None:
            return ""
        account = self._account(key[0], name)
        wanted_uid = secret.metadata.annotations.get(UID, "")
        if account is None or wanted_uid not in ("", account.metadata.uid):
            return self._remove(secret)
        return self._fill(secret, account)

    def _account(self, namespace: str, name: str) -> ServiceAccount | None:
        """A secret may be seen before its account: before that one counts as gone, the API server is asked."""
        try:
            return self._accounts.get(namespace, name) or self._client.get(ServiceAccount, name, namespace)
        except NotFound:
            return None

    def _remove(self, secret: Secret) -> str:
        meta = secret.metadata
        try:
            self._client.delete(Secret, meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version)
        except NotFound:
            return ""
        return "removed the token of an account that is gone"

    def _fill(self, secret: Secret, account: ServiceAccount) -> str:
        meta, wanted = secret.metadata, dict[str, bytes]()
        if secret.data.get("ca.crt") != self._ca:
            wanted["ca.crt"] = self._ca
        if secret.data.get("namespace") != meta.namespace.encode():
            wanted["namespace"] = meta.namespace.encode()
        try:
            if not secret.data.get("token"):
                wanted["token"] = self._token(secret, account)
            marked = meta.annotations.get(UID) == account.metadata.uid
            if marked and not wanted:
                return ""
            guard = {"uid": meta.uid, "resourceVersion": meta.resource_version}
            patch: dict[str, Any] = {"metadata": {**guard, "annotations": {UID: account.metadata.uid}}}
            patch["data"] = plain(wanted)
            self._client.patch(Secret, meta.name, meta.namespace, patch, form="merge")
        except NotFound:
            return ""
        return f"filled in {', '.join(sorted(wanted)) or 'the account'}"

    def _token(self, secret: Secret, account: ServiceAccount) -> bytes:
        bound = BoundObjectReference(
            api_version="v1", kind="Secret", name=secret.metadata.name, uid=secret.metadata.uid
        )
        request = TokenRequest(
            metadata=ObjectMeta(name=account.metadata.name, namespace=account.metadata.namespace),
            spec=TokenRequestSpec(expiration_seconds=_FOR_GOOD_S, bound_object_ref=bound),
        )
        return self._client.request_token(request).status.token.encode()
