"""Defaults and bounds of what pods and claims may ask for, from the limit ranges of their namespace."""

from typing import cast

from api.core import PersistentVolumeClaim, Pod
from api.core.quota import LimitRange
from api.resources import resource_of
from master.apiserver.admission.chain import Step, Write, forbidden
from master.apiserver.admission.limits import claim_faults, complete, pod_faults
from master.apiserver.cache import Cache
from master.apiserver.reservation import Reservation


class LimitRanger(Step):
    """Completes and checks new pods; checks claims."""

    name = "LimitRanger"
    kinds = frozenset((Pod, PersistentVolumeClaim))

    def __init__(self, cache: Cache) -> None:
        self._ranges = cache.table(resource_of(LimitRange))

    def version(self) -> int:
        return self._ranges.changed

    def complete(self, write: Write) -> None:
        if isinstance(write.new, Pod) and len(self._ranges):
            complete(write.new, self._of(write.namespace))

    def check(self, write: Write, taken: Reservation) -> None:  # noqa: ARG002 - nothing is taken
        """Raises Forbidden. What a pod asks for does not change, so only a new one is looked at."""
        if not len(self._ranges):
            return
        new, faults = write.new, list[str]()
        if isinstance(new, PersistentVolumeClaim):
            faults = claim_faults(new, self._of(write.namespace))
        elif isinstance(new, Pod) and write.old is None:
            faults = pod_faults(new, self._of(write.namespace))
        if faults:
            raise forbidden(write, faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")

    def _of(self, namespace: str) -> list[LimitRange]:
        return [cast(LimitRange, item.decode()) for item in self._ranges.items(namespace)]
