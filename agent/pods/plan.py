"""What to do next for a pod: from what is wanted and what is observed to a list of actions. Pure.

The rule: a plan is made anew after every round of actions and after every change, so an action that failed, was lost
in a crash or was overtaken is simply planned again. Nothing here waits; ``wake_at`` says when to look again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.pods.actions import Action, Clean, CreateSandbox, Kill, Plan, Remove, StartContainer, Stop, Terminate
from agent.pods.observed import (
    SANDBOX,
    Hook,
    Observed,
    init_failed,
    inits_done,
    is_finished,
    is_sidecar,
    past_deadline,
    wants_restart,
)
from agent.runtime.records import ContainerRecord, State, spec_hash
from api import grace
from api.core import Container, Pod
from api.grace import DEFAULT_GRACE_S

# A process that does not even end on KILL is in the kernel's hands, or Docker is: then it is killed past Docker.
KILL_BY_PID_AFTER_S = 10.0
KILL_AGAIN_S = 5.0
CLOCKS_DIFFER = timedelta(seconds=5)  # Docker may be on another machine
# Docker goes on with a start whose caller was killed. Removed in its midst, a container leaves its address behind.
START_TAKES = timedelta(seconds=10)


@dataclass(slots=True)
class _Draft:
    """A plan under way."""

    now: datetime
    actions: list[Action] = field(default_factory=list)
    wake_at: datetime | None = None

    def wake(self, at: datetime) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def done(self) -> Plan:
        return Plan(tuple(self.actions), self.wake_at)


def plan(pod: Pod, observed: Observed, now: datetime) -> Plan:
    """The next actions for a pod that is in the API."""
    draft = _Draft(now)
    if pod.metadata.deletion_timestamp is not None or observed.gone:
        grace_s = _deletion_grace_s(pod)
        return _take_down(draft, observed, grace_s)
    if observed.leaving is not None:
        return _wind_down(draft, pod, observed, grace_s=observed.leaving.grace_s)
    if past_deadline(pod, observed, now):
        return _wind_down(draft, pod, observed)
    if is_finished(pod, observed):
        return _wind_down(draft, pod, observed)
    _wake_for_deadline(draft, pod, observed)
    if observed.sandbox is None:
        _renew_sandbox(draft, pod, observed)
        return draft.done()
    _remove_leftovers(draft, observed)
    _end_the_unwanted(draft, pod, observed)
    _start_the_missing(draft, pod, observed)
    _start_the_ephemeral(draft, pod, observed)
    return draft.done()


def plan_orphan(observed: Observed, now: datetime) -> Plan:
    """The next actions for containers whose pod is not in the API any more."""
    grace_s = max((record.grace_s for record in observed.records), default=DEFAULT_GRACE_S)
    return _take_down(_Draft(now), observed, grace_s)


def _grace_s(pod: Pod) -> int:
    return grace.seconds(pod.spec.termination_grace_period_seconds)


def _deletion_grace_s(pod: Pod) -> int:
    grace_s = pod.metadata.deletion_grace_period_seconds
    return _grace_s(pod) if grace_s is None else grace_s


# The end of a pod.


def _take_down(draft: _Draft, observed: Observed, grace_s: int) -> Plan:
    """Ends all containers, and removes everything when they have ended."""
    if _end_all(draft, observed, grace_s, "Stopping container {name}"):
        return draft.done()
    if _await_starts(draft, observed.records):
        return draft.done()
    draft.actions += [Remove(record=record) for record in [*observed.containers, *observed.sandboxes]]
    if not observed.records:
        draft.actions.append(Clean())
    return draft.done()


def _wind_down(draft: _Draft, pod: Pod, observed: Observed, *, grace_s: int | None = None) -> Plan:
    """A finished pod: what still runs beside (sidecars) ends, the sandbox goes; the dead containers stay, for logs."""
    if not _end_all(draft, observed, _grace_s(pod) if grace_s is None else grace_s, "Stopping container {name}"):
        draft.actions += [Remove(record=record) for record in observed.sandboxes]
    return draft.done()


def _await_starts(draft: _Draft, records: Iterable[ContainerRecord]) -> bool:
    """Whether Docker may just be starting one of them, on behalf of an agent that was killed."""
    ends = [record.created_at + START_TAKES for record in records if may_be_starting(record, draft.now)]
    for end in ends:
        draft.wake(end)
    return bool(ends)


def may_be_starting(record: ContainerRecord, now: datetime) -> bool:
    return record.state is State.CREATED and -CLOCKS_DIFFER <= now - record.created_at < START_TAKES


def _end_all(draft: _Draft, observed: Observed, grace_s: int, because: str) -> bool:
    """Whether any container still runs."""
    running = [record for record in observed.containers if record.running]
    for record in running:
        _end(draft, observed, record, grace_s=grace_s, because=because.format(name=record.container))
    return bool(running)


def _end(draft: _Draft, observed: Observed, record: ContainerRecord, *, grace_s: int, because: str) -> None:
    """One step further on the way TERM, wait, KILL, KILL past Docker."""
    termination = observed.terminations.get(record.id)
    if termination is None or grace_s < termination.grace_s:
        draft.actions.append(Terminate(record=record, grace_s=grace_s, because=because))
        draft.wake(draft.now + timedelta(seconds=grace_s or KILL_AGAIN_S))
    elif draft.now >= termination.kill_at:
        by_pid = draft.now >= termination.kill_at + timedelta(seconds=KILL_BY_PID_AFTER_S)
        draft.actions.append(Kill(record=record, by_pid=by_pid))
        draft.wake(draft.now + timedelta(seconds=KILL_AGAIN_S))
    elif termination.signal_at is not None and draft.now >= termination.signal_at:
        draft.actions.append(Stop(record=record))
        draft.wake(termination.kill_at)
    else:
        draft.wake(termination.signal_at or termination.kill_at)


# The life of a pod.


def _wake_for_deadline(draft: _Draft, pod: Pod, observed: Observed) -> None:
    limit_s, start = pod.spec.active_deadline_seconds, observed.previous.start_time
    if limit_s is not None and start is not None:
        draft.wake(start + timedelta(seconds=limit_s))


def _renew_sandbox(draft: _Draft, pod: Pod, observed: Observed) -> None:
    """Containers cannot outlive the namespaces that they joined: they end first, then there is a new sandbox."""
    if _end_all(draft, observed, _grace_s(pod), "Pod sandbox changed, it will be killed and re-created."):
        return
    failure = observed.failures.get(SANDBOX)
    if failure is not None and draft.now < failure.retry_at:
        draft.wake(failure.retry_at)
        return
    if _await_starts(draft, observed.sandboxes):
        return
    # One that never ran, since an earlier agent ended in the midst of its start, is not counted.
    attempts = [record.attempt for record in observed.sandboxes if record.state is State.EXITED]
    draft.actions += [Remove(record=record) for record in observed.sandboxes]
    draft.actions.append(CreateSandbox(attempt=max(attempts, default=-1) + 1))


def _remove_leftovers(draft: _Draft, observed: Observed) -> None:
    """Sandboxes but the one in use, containers whose start was cut off, and all dead ones of a name but the newest.

    A second sandbox can run: a restart of Docker brings back one whose removal it had been asked for, and had not done.
    """
    others = [record for record in observed.sandboxes if record is not observed.sandbox]
    others += [record for record in observed.containers if record.state is State.CREATED]
    _await_starts(draft, others)
    draft.actions += [Remove(record=record) for record in others if not may_be_starting(record, draft.now)]
    for name in {record.container for record in observed.containers}:
        dead = [record for record in observed.runs(name) if record.ended]
        draft.actions += [Remove(record=record) for record in dead[1:]]


def _end_the_unwanted(draft: _Draft, pod: Pod, observed: Observed) -> None:
    every = [*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers]
    wanted: dict[str, Container] = {container.name: container for container in every}
    for record in observed.containers:
        if not record.running:
            continue
        container = wanted.get(record.container)
        because, grace_s = _why_end(container, record, observed)
        if because:
            _end(draft, observed, record, grace_s=_grace_s(pod) if grace_s is None else grace_s, because=because)


def _why_end(container: Container | None, record: ContainerRecord, observed: Observed) -> tuple[str, int | None]:
    """Why a running container must end (empty: it may go on), and the grace if it is not the pod's."""
    probe = observed.probe(record)
    if not observed.is_current(record):
        return "Pod sandbox changed, it will be killed and re-created.", None
    if container is None:
        return f"Stopping container {record.container}", None
    if record.spec_hash != spec_hash(container):
        return f"Container {record.container} definition changed, will be restarted", None
    if observed.hooks.get(record.id) is Hook.FAILED:
        return "FailedPostStartHook", None
    if probe.restart_because:
        return probe.restart_because, probe.restart_grace_s
    if record.id in observed.terminations:
        # Once asked to end it must end, even when the reason is no longer seen.
        return f"Stopping container {record.container}", observed.terminations[record.id].grace_s
    return "", None


def _start_the_missing(draft: _Draft, pod: Pod, observed: Observed) -> None:
    for container in pod.spec.init_containers:
        newest = observed.newest(container.name)
        if is_sidecar(container):
            _start_if_due(draft, pod, observed, container)
            if not inits_done(pod, observed) and (newest is None or not observed.started(newest)):
                return
        elif not inits_done(pod, observed):
            done = newest is not None and newest.ended and newest.exit_code == 0 and observed.is_current(newest)
            if not done:
                _start_if_due(draft, pod, observed, container)
                return
    if init_failed(pod, observed):
        return
    for container in pod.spec.containers:
        _start_if_due(draft, pod, observed, container)


def _start_the_ephemeral(draft: _Draft, pod: Pod, observed: Observed) -> None:
    """Each once, whatever the others do: they are there to look at a pod that does not run well."""
    told = {status.name for status in observed.previous.ephemeral_container_statuses if status.container_id}
    for container in pod.spec.ephemeral_containers:
        if observed.newest(container.name) is None and container.name not in told:
            _start_if_due(draft, pod, observed, container)


def _start_if_due(draft: _Draft, pod: Pod, observed: Observed, container: Container) -> None:
    """Starts it unless it runs, has ended for good, or must wait for its back-off."""
    if any(run.container == container.name and may_be_starting(run, draft.now) for run in observed.containers):
        return
    newest = observed.newest(container.name)
    init = any(container is other for other in pod.spec.init_containers)
    if newest is not None:
        if newest.running:
            return
        rerun = init and not observed.is_current(newest)
        if not rerun and not wants_restart(pod, container, newest):
            return
        due = _restart_at(newest, observed, draft.now)
        if draft.now < due:
            draft.wake(due)
            return
    failure = observed.failures.get(container.name)
    if failure is not None and draft.now < failure.retry_at:
        draft.wake(failure.retry_at)
        return
    level = observed.rules.level_after(newest) if newest is not None else 0
    draft.actions.append(
        StartContainer(container=container, attempt=next_attempt(observed, container), level=level, init=init)
    )


def _restart_at(ended: ContainerRecord, observed: Observed, now: datetime) -> datetime:
    """At once for an end in the future: the clock was put back since, and by how much nobody has told."""
    at = ended.finished_at or ended.created_at
    return now if at > now + CLOCKS_DIFFER else at + timedelta(seconds=observed.rules.delay_s(ended))


def in_backoff(ended: ContainerRecord, observed: Observed, now: datetime) -> bool:
    """Whether a container that ended must wait before it is started again."""
    return now < _restart_at(ended, observed, now)


def next_attempt(observed: Observed, container: Container) -> int:
    """One more than any run known to Docker or told in the status: the records may have been cleaned away."""
    attempts = [record.attempt for record in observed.runs(container.name)]
    statuses = observed.told
    attempts += [s.restart_count for s in statuses if s.name == container.name and s.container_id]
    return max(attempts, default=-1) + 1
