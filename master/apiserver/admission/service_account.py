"""Every pod has a service account: the one named ``default`` when it names none.

A pod gets the account's pull secrets when it names none itself, and a volume with a token of the account unless pod or
account (the pod's word counts more) want none. An account that a pod names must be there; ``default``
is made by a controller soon after its namespace, and a pod that is quicker is not refused for it.
"""

from typing import Any, cast

from api.core import Pod, PodSpec, ServiceAccount
from api.resources import resource_of
from master.apiserver.admission.api_access import mount_api_access
from master.apiserver.admission.chain import Step, Write, forbidden
from master.apiserver.cache import Cache

_DEFAULT = "default"
_MIRROR = "kubernetes.io/config.mirror"


class ServiceAccountStep(Step):
    """Completes pods."""

    name = "ServiceAccount"
    kinds = frozenset((Pod,))

    def __init__(self, cache: Cache) -> None:
        self._accounts = cache.table(resource_of(ServiceAccount))

    def version(self) -> int:
        return self._accounts.changed

    def complete(self, write: Write) -> None:
        """Raises Forbidden for an account that is not there."""
        pod: Any = write.new
        spec = pod.spec
        if _MIRROR in pod.metadata.annotations:
            if spec.service_account_name:
                raise forbidden(write, "a mirror pod may not reference service accounts")
            return
        name = spec.service_account_name or _DEFAULT
        spec.service_account_name = spec.service_account = name
        account = self._account(write, name)
        spec.image_pull_secrets = spec.image_pull_secrets or list(account.image_pull_secrets)
        if _wants_token(spec, account):
            mount_api_access(spec)

    def _account(self, write: Write, name: str) -> ServiceAccount:
        item = self._accounts.get(write.namespace, name)
        if item is not None:
            return cast(ServiceAccount, item.decode())
        if name != _DEFAULT:
            looked = f'error looking up service account {write.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden(write, looked)
        return ServiceAccount()


def _wants_token(spec: PodSpec, account: ServiceAccount) -> bool:
    wishes = (spec.automount_service_account_token, account.automount_service_account_token)
    return next((wish for wish in wishes if wish is not None), True)
