"""What was asked for and is not seen yet: never more than wanted because a watch is slow.

What was created or deleted counts as done. What the watch does not show for a while is to be looked up: a pod may have
come and gone between two looks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from api.core import Pod

CONFIRM_AFTER_S = 1.0


@dataclass(slots=True)
class Expected:
    """Of one controller: pods created (by name) and deleted (by UID) that the watch has not shown yet, with the time
    they were asked for."""

    created: dict[str, float] = field(default_factory=dict)
    deleted: dict[str, float] = field(default_factory=dict)

    def observe(self, pods: Iterable[Pod]) -> None:
        if self.created:
            names = {pod.metadata.name for pod in pods}
            self.created = {name: at for name, at in self.created.items() if name not in names}
        if self.deleted:
            uids = {pod.metadata.uid for pod in pods if pod.metadata.deletion_timestamp is None}
            self.deleted = {uid: at for uid, at in self.deleted.items() if uid in uids}

    def overdue(self, moment: float) -> list[str]:
        """Names of pods that were created a while ago and have not been seen."""
        return [name for name, at in self.created.items() if at <= moment - CONFIRM_AFTER_S]
