"""A claim is not lost to a pod that uses it, nor a volume to its claim: each is born with a finalizer, which the
controllers take off when nobody needs the object any more.

Source: k8s.io/kubernetes, plugin/pkg/admission/storage/storageobjectinuseprotection.
"""

from api.claiming import PROTECTION
from api.core import PersistentVolume, PersistentVolumeClaim
from master.apiserver.admission.chain import Step, Write


class StorageObjectInUseProtection(Step):
    """Completes claims and volumes."""

    name = "StorageObjectInUseProtection"
    kinds = frozenset((PersistentVolume, PersistentVolumeClaim))

    def complete(self, write: Write) -> None:
        finalizer, metadata = PROTECTION[type(write.new)], write.new.metadata
        if finalizer not in metadata.finalizers:
            metadata.finalizers = [*metadata.finalizers, finalizer]
