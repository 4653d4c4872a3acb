"""Service account controller: every namespace has an account named ``default``."""

from api.core import ServiceAccount
from api.errors import AlreadyExists
from api.meta import ObjectMeta
from client import Client
from master.controllers.informers import Informers
from master.controllers.loop import Key, Loop

DEFAULT = "default"


class ServiceAccountController:
    """Makes the account, and makes it again when it is deleted."""

    name = "serviceaccount"

    def __init__(self, client: Client, informers: Informers, *, workers: int = 1) -> None:
        self._client = client
        self._namespaces = informers.namespaces
        self._accounts = informers.service_accounts
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self.loop.follow(self._namespaces)
        self._accounts.add_listener(self._account_changed)

    def _account_changed(self, old: ServiceAccount | None, new: ServiceAccount | None) -> None:
        if old is not None and new is None and old.metadata.name == DEFAULT:
            self.loop.queue.add(("", old.metadata.namespace))

    def reconcile(self, key: Key) -> str:
        namespace = self._namespaces.get(*key)
        if namespace is None or namespace.status.phase == "Terminating":
            return ""
        if self._accounts.get(namespace.metadata.name, DEFAULT) is not None:
            return ""
        try:
            self._client.create(ServiceAccount(metadata=ObjectMeta(name=DEFAULT, namespace=namespace.metadata.name)))
        except AlreadyExists:
            return ""
        return "made the default account"
