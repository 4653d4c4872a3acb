"""How important a pod is: the number behind its priority class, worked out here and nowhere else.

Source: k8s.io/kubernetes, plugin/pkg/admission/priority.
"""

from typing import Any, cast

from api.core import Pod
from api.resources import resource_of
from api.scheduling import PriorityClass
from master.apiserver.admission.chain import Step, Write, forbidden
from master.apiserver.cache import Cache
from master.apiserver.reservation import Reservation

_PREEMPTS = "PreemptLowerPriority"


class Priority(Step):
    """Completes pods, and keeps the default class the only one."""

    name = "Priority"
    kinds = frozenset((Pod, PriorityClass))

    def __init__(self, cache: Cache) -> None:
        self._classes = cache.table(resource_of(PriorityClass))

    def version(self) -> int:
        return self._classes.changed

    def complete(self, write: Write) -> None:
        """Raises Forbidden for a class that is not there, or a number that is not the class's."""
        if not isinstance(write.new, Pod):
            return
        spec = write.new.spec
        found = self._class_of(write, spec.priority_class_name)
        if found is not None and not spec.priority_class_name:
            spec.priority_class_name = found.metadata.name
        value, policy = (found.value, found.preemption_policy or _PREEMPTS) if found is not None else (0, _PREEMPTS)
        if spec.priority not in (None, value):
            raise forbidden(
                write,
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority admission "
                f"controller computed {value} from the given PriorityClass name",
            )
        if spec.preemption_policy not in (None, policy):
            raise forbidden(
                write,
                f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec.priority, spec.preemption_policy = value, policy

    def _class_of(self, write: Write, name: str) -> PriorityClass | None:
        if not name:
            return self._default()
        item = self._classes.get("", name)
        if item is None:
            raise forbidden(write, f"no PriorityClass with name {name} was found")
        return cast(PriorityClass, item.decode())

    def _default(self) -> PriorityClass | None:
        """The class for all that name none; of several the least, as in Kubernetes."""
        marked = [item for item in self._classes.items() if b'"globalDefault":true' in item.wire]
        found = (cast(PriorityClass, item.decode()) for item in marked)
        return min(found, key=lambda one: one.value, default=None)

    def check(self, write: Write, taken: Reservation) -> None:  # noqa: ARG002 - nothing is taken
        """Raises Forbidden for a second default class."""
        new: Any = write.new
        if not isinstance(new, PriorityClass) or not new.global_default:
            return
        for item in self._classes.items():
            if item.name != new.metadata.name and b'"globalDefault":true' in item.wire:
                raise forbidden(
                    write, f"PriorityClass {item.name} is already marked as default. Only one default can exist"
                )
