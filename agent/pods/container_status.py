"""What to say of one container, and the pod's phase that follows from all of them. Pure."""

from datetime import datetime

from agent.pods.observed import Hook, Observed, inits_done, is_finished, is_sidecar, past_deadline, wants_restart
from agent.pods.plan import in_backoff
from agent.runtime.records import ContainerRecord, State
from api.core import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
)


def container_status(pod: Pod, container: Container, observed: Observed, now: datetime) -> ContainerStatus:
    """State, last state, readiness and count of one container of the pod."""
    runs = observed.runs(container.name)
    old = _previous(container.name, observed)
    if not runs:
        return _never_ran(pod, container, observed, old)
    newest = runs[0]
    state = _state(pod, container, newest, observed, now)
    past = newest if state.terminated is None and not newest.running else (runs[1] if len(runs) > 1 else None)
    return ContainerStatus(
        name=container.name,
        state=state,
        last_state=_terminated(past, observed) if past else _last_state(old, newest),
        ready=_is_ready(pod, container, newest, observed),
        started=observed.started(newest),
        restart_count=max(newest.attempt, 0),
        image=container.image,
        image_id=newest.image_reference,
        container_id=f"docker://{newest.id}",
    )


def _previous(name: str, observed: Observed) -> ContainerStatus | None:
    return next((status for status in observed.told if status.name == name), None)


def _never_ran(pod: Pod, container: Container, observed: Observed, old: ContainerStatus | None) -> ContainerStatus:
    """No run is on Docker. What was told of a finished pod still holds; what ran and was cleaned away is lost."""
    over = is_finished(pod, observed) or pod.metadata.deletion_timestamp is not None or _is_ephemeral(pod, container)
    if old is not None and old.container_id and over:
        return _lost(old) if old.state.running else old
    failure = observed.failures.get(container.name)
    if failure is not None:
        waiting = ContainerStateWaiting(reason=failure.reason, message=failure.message)
    elif pod.spec.init_containers and not inits_done(pod, observed):
        waiting = ContainerStateWaiting(reason="PodInitializing")
    else:
        waiting = ContainerStateWaiting(reason="ContainerCreating")
    return ContainerStatus(
        name=container.name,
        state=ContainerState(waiting=waiting),
        last_state=_last_state_of_lost(old),
        restart_count=old.restart_count if old is not None else 0,
        image=container.image,
        started=False,
    )


def _is_ephemeral(pod: Pod, container: Container) -> bool:
    return any(container is other for other in pod.spec.ephemeral_containers)


def _lost(old: ContainerStatus) -> ContainerStatus:
    """It ran, as far as is known, and its record is gone: how it ended cannot be told any more."""
    ended = ContainerStateTerminated(
        exit_code=137,
        reason="ContainerStatusUnknown",
        message="The container could not be located when the pod was terminated",
        container_id=old.container_id,
    )
    return ContainerStatus(
        name=old.name, state=ContainerState(terminated=ended), last_state=old.last_state, ready=False, started=False,
        restart_count=old.restart_count, image=old.image, image_id=old.image_id, container_id=old.container_id,
    )  # fmt: skip


def _last_state_of_lost(old: ContainerStatus | None) -> ContainerState:
    if old is None or not old.container_id:
        return old.last_state if old is not None else ContainerState()
    return old.state if old.state.terminated is not None else _lost(old).state


def _state(
    pod: Pod, container: Container, newest: ContainerRecord, observed: Observed, now: datetime
) -> ContainerState:
    if newest.running and observed.hooks.get(newest.id) is Hook.RUNNING:
        return ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))
    if newest.running:
        started_at = newest.started_at.replace(microsecond=0) if newest.started_at else None
        return ContainerState(running=ContainerStateRunning(started_at=started_at))
    terminated = _terminated(newest, observed)
    over = is_finished(pod, observed) or past_deadline(pod, observed, now)
    if over or pod.metadata.deletion_timestamp is not None or not wants_restart(pod, container, newest):
        return terminated
    if in_backoff(newest, observed, now):
        delay_s = observed.rules.delay_s(newest)
        told = f"back-off {delay_s:g}s restarting failed container={container.name} pod={pod_id(pod)}"
        return ContainerState(waiting=ContainerStateWaiting(reason="CrashLoopBackOff", message=told))
    failure = observed.failures.get(container.name)
    if failure is not None:
        return ContainerState(waiting=ContainerStateWaiting(reason=failure.reason, message=failure.message))
    return terminated


def pod_id(pod: Pod) -> str:
    """As the kubelet's messages name a pod: name_namespace(uid)."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def _terminated(record: ContainerRecord, observed: Observed) -> ContainerState:
    started_at = record.started_at or record.created_at
    finished_at = record.finished_at or record.created_at
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=record.exit_code,
            reason=_reason(record),
            message=observed.messages.get(record.id, "") or record.error,
            started_at=started_at.replace(microsecond=0),
            finished_at=finished_at.replace(microsecond=0),
            container_id=f"docker://{record.id}",
        )
    )


def _reason(record: ContainerRecord) -> str:
    if record.state is State.FAILED:
        return "ContainerCannotRun"
    if record.oom_killed:
        return "OOMKilled"
    return "Completed" if record.exit_code == 0 else "Error"


def _last_state(old: ContainerStatus | None, newest: ContainerRecord) -> ContainerState:
    """The dead container may be gone from Docker; what was told of it still holds."""
    if old is None:
        return ContainerState()
    if old.state.terminated and old.state.terminated.container_id != f"docker://{newest.id}":
        return old.state
    return old.last_state


def _is_ready(pod: Pod, container: Container, newest: ContainerRecord, observed: Observed) -> bool:
    """An init container is ready when it has ended well; all others when their probes say so."""
    if _is_ephemeral(pod, container):
        return False
    init = any(container is other for other in pod.spec.init_containers)
    if init and not is_sidecar(container):
        return newest.ended and newest.exit_code == 0
    ending = observed.terminations.get(newest.id)
    return observed.ready(newest) and (ending is None or ending.signal_at is not None)


def phase_of(pod: Pod, observed: Observed, inits: list[ContainerStatus], mains: list[ContainerStatus]) -> str:
    """The kubelet's getPhase, and the end of a deleted pod: Succeeded only when all its containers were."""
    if observed.previous.phase in ("Succeeded", "Failed"):
        return observed.previous.phase
    if _any_init_failed(pod, inits):
        return "Failed"
    if not inits_done(pod, observed) and pod.spec.init_containers and not _all_terminated(mains):
        return "Pending"
    running = sum(status.state.running is not None for status in mains)
    ended = [_end_of(status) for status in mains if status.state.running is None]
    if any(end is None for end in ended):
        return "Pending"
    codes = [end.exit_code for end in ended if end is not None]
    if running:
        return "Running"
    return _phase_of_ended(pod, mains, codes)


def _phase_of_ended(pod: Pod, mains: list[ContainerStatus], codes: list[int]) -> str:
    deleted = pod.metadata.deletion_timestamp is not None and _all_terminated(mains)
    policy = pod.spec.restart_policy or "Always"
    if policy == "Always" and not deleted:
        return "Running"
    if all(code == 0 for code in codes):
        return "Succeeded"
    return "Failed" if policy == "Never" or deleted else "Running"


def _end_of(status: ContainerStatus) -> ContainerStateTerminated | None:
    """How a container that does not run ended, now or the time before; None when it has not run yet."""
    return status.state.terminated or status.last_state.terminated


def _all_terminated(statuses: list[ContainerStatus]) -> bool:
    return all(status.state.terminated is not None for status in statuses)


def _any_init_failed(pod: Pod, inits: list[ContainerStatus]) -> bool:
    if pod.spec.restart_policy != "Never":
        return False
    for container, status in zip(pod.spec.init_containers, inits, strict=True):
        end = status.state.terminated
        if end is not None and end.exit_code != 0 and not is_sidecar(container):
            return True
    return False
