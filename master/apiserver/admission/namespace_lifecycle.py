"""Nothing is made in a namespace that is not there, or that is on its way out."""

from api.core import Namespace
from api.meta import StatusCause
from api.resources import resource_of
from master.apiserver.admission.chain import Step, Write, forbidden
from master.apiserver.cache import Cache
from master.apiserver.registry import not_found

_DELETING = b'"deletionTimestamp"'


class NamespaceLifecycle(Step):
    """Looks the namespace up."""

    name = "NamespaceLifecycle"

    def __init__(self, cache: Cache) -> None:
        self._namespaces = cache.table(resource_of(Namespace))

    def version(self) -> int:
        return self._namespaces.changed

    def complete(self, write: Write) -> None:
        """Raises NotFound, Forbidden."""
        if not write.resource.namespaced:
            return
        item = self._namespaces.get("", write.namespace)
        if item is None:
            raise not_found(self._namespaces.resource, write.namespace)
        # Nearly no namespace is on its way out: look for the word before decoding.
        if _DELETING in item.wire and item.decode().metadata.deletion_timestamp is not None:
            raise forbidden(
                write,
                f"unable to create new content in namespace {write.namespace} because it is being terminated",
                [
                    StatusCause(
                        reason="NamespaceTerminating",
                        message=f"namespace {write.namespace} is being terminated",
                        field="metadata.namespace",
                    )
                ],
            )
