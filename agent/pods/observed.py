"""All that is known of a pod at one moment, as values: what ``plan`` and ``status_of`` decide on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from agent.runtime.records import ContainerRecord
from api.core import Container, ContainerStatus, Pod, PodStatus

SANDBOX = ""  # the key of the sandbox among failures, which else go by container name


class Hook(Enum):
    """How far a container's post-start hook is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A container that could not be started: the waiting reason to show, and when to try again."""

    reason: str
    message: str
    retry_at: datetime
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """A container that was asked to end. It is killed at ``kill_at``; ``hook``: its pre-stop hook still runs.

    ``signal_at``: the stop signal is still to be sent, then, so that proxies lead new connections elsewhere before.
    """

    asked_at: datetime
    kill_at: datetime
    grace_s: int
    hook: bool = False
    signal_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A pod that this node ends of its own accord: it stays in the API as Failed, for this reason.

    rejected: it was never taken, so that nothing is disrupted and there is nothing to tell of its containers.
    """

    reason: str
    message: str
    grace_s: int = 0
    rejected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeView:
    """What the probes say of one running container; None: not probed, or not known yet.

    restart_because: the sentence of the event when liveness or startup failed for good.
    """

    started: bool = True
    ready: bool = True
    restart_because: str = ""
    restart_grace_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffRules:
    """Restarts of a container that keeps ending: at once, then base_s, doubled up to cap_s; a run of reset_s resets."""

    base_s: float = 1.0
    cap_s: float = 60.0
    reset_s: float = 600.0

    def delay_s(self, record: ContainerRecord) -> float:
        level = self.level_after(record) - 1
        return 0.0 if level == 0 else min(self.base_s * 2.0 ** min(level - 1, 30), self.cap_s)

    def level_after(self, record: ContainerRecord) -> int:
        """Level of the run after this one."""
        return 1 if record.ran_s >= self.reset_s else record.level + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The state of a pod on this node.

    records: its containers and sandboxes on Docker. gone: the pod is no longer in the API. messages: last words by
    container id. previous: the status that was reported last. leaving: why the pod has to leave the node, if it has to.
    """

    records: tuple[ContainerRecord, ...] = ()
    gone: bool = False
    failures: Mapping[str, Failure] = field(default_factory=dict)
    terminations: Mapping[str, Termination] = field(default_factory=dict)
    probes: Mapping[str, ProbeView] = field(default_factory=dict)
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    previous: PodStatus = field(default_factory=PodStatus)
    host_ip: str = ""
    rules: BackoffRules = field(default_factory=BackoffRules)
    leaving: Leaving | None = None

    @property
    def sandboxes(self) -> list[ContainerRecord]:
        """Newest first."""
        return _newest_first(record for record in self.records if record.is_sandbox)

    @property
    def sandbox(self) -> ContainerRecord | None:
        """The one that runs."""
        return next((record for record in self.sandboxes if record.running), None)

    @property
    def told(self) -> list[ContainerStatus]:
        """What was reported last of each container."""
        previous = self.previous
        return [
            *previous.container_statuses, *previous.init_container_statuses, *previous.ephemeral_container_statuses
        ]  # fmt: skip

    @property
    def containers(self) -> list[ContainerRecord]:
        return [record for record in self.records if not record.is_sandbox]

    def runs(self, name: str) -> list[ContainerRecord]:
        """Of one container, newest first; one that was made but not yet started does not count."""
        return _newest_first(r for r in self.containers if r.container == name and (r.running or r.ended))

    def newest(self, name: str) -> ContainerRecord | None:
        runs = self.runs(name)
        return runs[0] if runs else None

    def is_current(self, record: ContainerRecord) -> bool:
        """Whether it is in the sandbox that runs."""
        return self.sandbox is not None and record.sandbox_id == self.sandbox.id

    def probe(self, record: ContainerRecord) -> ProbeView:
        return self.probes.get(record.id, ProbeView())

    def started(self, record: ContainerRecord) -> bool:
        """Running, past its post-start hook and its startup probe."""
        hook = self.hooks.get(record.id, Hook.DONE)
        return record.running and hook is Hook.DONE and self.probe(record).started

    def ready(self, record: ContainerRecord) -> bool:
        return self.started(record) and self.probe(record).ready


def _newest_first(records: Iterable[ContainerRecord]) -> list[ContainerRecord]:
    return sorted(records, key=lambda record: (record.attempt, record.created_at), reverse=True)


def is_sidecar(container: Container) -> bool:
    """An init container that stays."""
    return container.restart_policy == "Always"


def restart_policy(pod: Pod, container: Container) -> str:
    """Always, OnFailure or Never, as it holds for this container."""
    policy = pod.spec.restart_policy or "Always"
    if any(container is other for other in pod.spec.ephemeral_containers):
        return "Never"
    if any(container is init for init in pod.spec.init_containers):
        return "Always" if is_sidecar(container) else ("OnFailure" if policy == "Always" else policy)
    return policy


def wants_restart(pod: Pod, container: Container, ended: ContainerRecord) -> bool:
    policy = restart_policy(pod, container)
    return policy == "Always" or (policy == "OnFailure" and ended.exit_code != 0)


def past_deadline(pod: Pod, observed: Observed, now: datetime) -> bool:
    """Whether activeDeadlineSeconds are over."""
    limit_s, start = pod.spec.active_deadline_seconds, observed.previous.start_time
    return limit_s is not None and start is not None and (now - start).total_seconds() >= limit_s


def inits_done(pod: Pod, observed: Observed) -> bool:
    """Whether the containers may run: each init container has ended well, each sidecar has started.

    Once a container of the current sandbox was started this holds for good: an init container's record may have been
    cleaned away since.
    """
    if any(observed.is_current(run) for c in pod.spec.containers for run in observed.runs(c.name)):
        return True
    return all(_init_done(container, observed) for container in pod.spec.init_containers)


def _init_done(container: Container, observed: Observed) -> bool:
    newest = observed.newest(container.name)
    if newest is None or not (observed.is_current(newest) or observed.sandbox is None):
        return False
    if is_sidecar(container):
        return observed.started(newest)
    return newest.ended and newest.exit_code == 0


def init_failed(pod: Pod, observed: Observed) -> bool:
    """Whether an init container failed that is not tried again."""
    for container in pod.spec.init_containers:
        newest = observed.newest(container.name)
        if newest is not None and newest.ended and newest.exit_code and not wants_restart(pod, container, newest):
            return True
    return False


def is_finished(pod: Pod, observed: Observed) -> bool:
    """Whether the pod has come to its end: nothing of it is ever started again."""
    if observed.previous.phase in ("Succeeded", "Failed") or observed.leaving is not None:
        return True
    if init_failed(pod, observed):
        return True
    for container in pod.spec.containers:
        newest = observed.newest(container.name)
        if newest is None or not newest.ended or wants_restart(pod, container, newest):
            return False
    return bool(pod.spec.containers)
