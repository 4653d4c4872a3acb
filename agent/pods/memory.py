"""What is remembered of a pod between rounds, and what was told of it before."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from agent.pods import clock
from agent.pods.observed import Failure, Leaving
from agent.pods.status import OUR_CONDITIONS
from agent.runtime.records import ContainerRecord
from api.core import Pod, PodStatus


@dataclass(slots=True)
class Memory:
    """What is remembered of one pod between rounds. Touched only by the worker that has the pod."""

    failures: dict[str, Failure] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    status: PodStatus | None = None
    saved_version: str = ""
    pulling: set[str] = field(default_factory=set)  # containers whose image is awaited
    seen_s: float = field(default_factory=time.monotonic)
    seen_pending: bool = False
    started: bool = False
    leaving: Leaving | None = None
    refresh_at: datetime | None = None  # when the files of volumes are looked at again
    refreshed_meta: object = None  # labels and annotations as they were then
    reading: clock.Reading = field(default_factory=clock.read)  # that all moments above are counted from

    def look_at_clock(self) -> datetime:
        """The moment that counts as now until the next look. What is waited for moves with a clock that was put."""
        reading = clock.read()
        if step := self.reading.step_to(reading):
            self.reading = reading
            self.failures = {
                name: replace(failure, retry_at=failure.retry_at + step) for name, failure in self.failures.items()
            }
            self.refresh_at = self.refresh_at and self.refresh_at + step
        return reading.now


def previous_status(pod: Pod, memory: Memory) -> PodStatus:
    """Our own last word, with the conditions that others have set in the API since."""
    if memory.status is None:
        return pod.status
    ours = {condition.type for condition in memory.status.conditions}
    theirs = [condition for condition in pod.status.conditions if condition.type not in OUR_CONDITIONS]
    kept = [condition for condition in memory.status.conditions if condition.type in OUR_CONDITIONS]
    result = msgspec.structs.replace(memory.status)
    result.conditions = [*kept, *theirs] if ours else pod.status.conditions
    return result


def told_before(pod: Pod, record: ContainerRecord) -> tuple[bool, bool]:
    """Ready and started as an earlier agent told them of this very container: an adopted pod stays in its services."""
    for status in [*pod.status.container_statuses, *pod.status.init_container_statuses]:
        if status.container_id == f"docker://{record.id}":
            return status.ready, bool(status.started)
    return False, False
