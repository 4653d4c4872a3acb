"""The one list of the steps. A further step is a file, and a line here."""

from master.apiserver.admission.chain import Chain
from master.apiserver.admission.default_tolerations import DefaultTolerationSeconds
from master.apiserver.admission.escalation import Escalation
from master.apiserver.admission.limit_ranger import LimitRanger
from master.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from master.apiserver.admission.new_nodes import TaintNodesByCondition
from master.apiserver.admission.priority import Priority
from master.apiserver.admission.quota_books import Books
from master.apiserver.admission.quota_ledger import QuotaLedger
from master.apiserver.admission.resource_quota import ResourceQuotaStep
from master.apiserver.admission.service_account import ServiceAccountStep
from master.apiserver.admission.storage_protection import StorageObjectInUseProtection
from master.apiserver.authorization.authorizer import Authorizer
from master.apiserver.cache import Cache


def chain_of(cache: Cache, access: Authorizer, books: Books, ledger: QuotaLedger | None = None) -> Chain:
    """The steps in the order in which they are asked: Kubernetes' order, the quota last."""
    return Chain(
        [
            NamespaceLifecycle(cache),
            LimitRanger(cache),
            ServiceAccountStep(cache),
            TaintNodesByCondition(),
            Priority(cache),
            DefaultTolerationSeconds(),
            Escalation(access),
            StorageObjectInUseProtection(),
            ResourceQuotaStep(cache, books, ledger),
        ]
    )
