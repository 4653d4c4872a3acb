"""What to say of a pod: from what is observed to its PodStatus. Pure.

The words (phases, conditions, reasons, exit codes) are the kubelet's, since people and programs match on them:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from datetime import datetime

from agent.pods.container_status import container_status, phase_of
from agent.pods.observed import SANDBOX, Leaving, Observed, init_failed, inits_done, past_deadline
from api.core import HostIP, Pod, PodCondition, PodIP, PodStatus
from api.qos import qos_class

OUR_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")

_ENDED = ("Succeeded", "Failed")


def status_of(pod: Pod, observed: Observed, now: datetime) -> PodStatus:
    """The pod's status. Conditions of others (readiness gates) stay; times of unchanged conditions stay."""
    now = now.replace(microsecond=0)
    if (rejected := _rejected(pod, observed, now)) is not None:
        return rejected
    inits = [container_status(pod, container, observed, now) for container in pod.spec.init_containers]
    mains = [container_status(pod, container, observed, now) for container in pod.spec.containers]
    status = PodStatus(
        phase=phase_of(pod, observed, inits, mains),
        host_ip=observed.host_ip,
        host_ips=[HostIP(ip=observed.host_ip)] if observed.host_ip else [],
        start_time=observed.previous.start_time or now,
        init_container_statuses=inits,
        container_statuses=mains,
        qos_class=observed.previous.qos_class or qos_class(pod.spec),
        nominated_node_name=observed.previous.nominated_node_name,
        ephemeral_container_statuses=[
            container_status(pod, container, observed, now) for container in pod.spec.ephemeral_containers
        ],
        observed_generation=observed.previous.observed_generation,
    )
    status.pod_ip = _pod_ip(pod, observed)
    status.pod_ips = [PodIP(ip=status.pod_ip)] if status.pod_ip else []
    _tell_why(status, pod, observed, now)
    status.conditions = _conditions(pod, observed, status, now)
    _hold_back_the_end(status, observed)
    return status


def entered_back_off(before: PodStatus | None, after: PodStatus) -> list[str]:
    """Names of the containers that wait for their next try since just now."""
    known = set(_backing_off(before)) if before is not None else set()
    return [name for name in _backing_off(after) if name not in known]


def _backing_off(status: PodStatus) -> list[str]:
    return [
        one.name
        for one in [*status.init_container_statuses, *status.container_statuses]
        if one.state.waiting is not None and one.state.waiting.reason == "CrashLoopBackOff"
    ]


def _hold_back_the_end(status: PodStatus, observed: Observed) -> None:
    """A pod whose sidecars still run has not ended, like with the kubelet: whoever waits for the end may take over."""
    before = observed.previous
    if status.phase in _ENDED and before.phase not in _ENDED and any(one.running for one in observed.containers):
        status.phase, status.reason, status.message = before.phase or "Running", before.reason, before.message


def _rejected(pod: Pod, observed: Observed, now: datetime) -> PodStatus | None:
    """What is told of a pod that this node never took: that, and why. None of any other pod."""
    before, leaving = observed.previous, observed.leaving
    if observed.records:
        return None
    if leaving is None or not leaving.rejected:
        told_by_an_earlier_agent = before.phase == "Failed" and before.reason and not observed.told
        return before if told_by_an_earlier_agent else None
    return PodStatus(
        phase="Failed",
        reason=leaving.reason,
        message=leaving.message,
        start_time=before.start_time or now,
        qos_class=before.qos_class or qos_class(pod.spec),
        conditions=[old for old in before.conditions if old.type not in OUR_CONDITIONS],
    )


def _pod_ip(pod: Pod, observed: Observed) -> str:
    """A finished pod keeps the address that it had, as a record of it."""
    if pod.spec.host_network:
        return observed.host_ip if observed.sandbox or observed.previous.pod_ip else ""
    if observed.sandbox is not None:
        return observed.sandbox.ip
    return observed.previous.pod_ip


def _tell_why(status: PodStatus, pod: Pod, observed: Observed, now: datetime) -> None:
    if observed.previous.phase == "Failed" and observed.previous.reason:
        status.reason, status.message = observed.previous.reason, observed.previous.message
    elif observed.leaving is not None:
        _tell_of_leaving(status, observed, observed.leaving)
    elif past_deadline(pod, observed, now) and status.phase != "Succeeded":
        status.phase = "Failed"
        status.reason = "DeadlineExceeded"
        status.message = "Pod was active on the node longer than the specified deadline"


def _tell_of_leaving(status: PodStatus, observed: Observed, leaving: Leaving) -> None:
    """Failed when nothing runs any more: whoever replaces the pod may want what it holds."""
    over = observed.previous.phase == "Succeeded"
    if not over and not any(record.running for record in observed.containers):
        status.phase, status.reason, status.message = "Failed", leaving.reason, leaving.message


def _conditions(pod: Pod, observed: Observed, status: PodStatus, now: datetime) -> list[PodCondition]:
    containers_ready = _containers_ready(pod, status)
    wanted = [
        _condition("PodReadyToStartContainers", _has_sandbox(pod, observed)),
        _initialized(pod, observed, status),
        _ready(pod, observed, containers_ready),
        containers_ready,
        _condition("PodScheduled", True),
    ]
    if observed.leaving is not None:
        wanted.append(_condition("DisruptionTarget", True, "TerminationByKubelet", observed.leaving.message))
    before = {condition.type: condition for condition in observed.previous.conditions}
    for condition in wanted:
        old = before.get(condition.type)
        unchanged = old is not None and old.status == condition.status
        condition.last_transition_time = old.last_transition_time if old is not None and unchanged else now
        if condition.type == "PodScheduled" and old is not None and unchanged:
            condition.reason, condition.message = old.reason, old.message
    ours = {*OUR_CONDITIONS, *(condition.type for condition in wanted)}
    return [*wanted, *(old for old in observed.previous.conditions if old.type not in ours)]


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(type=kind, status="True" if holds else "False", reason=reason, message=message)


def _has_sandbox(pod: Pod, observed: Observed) -> bool:
    sandbox = observed.sandbox
    return sandbox is not None and bool(sandbox.ip or pod.spec.host_network) and SANDBOX not in observed.failures


def _initialized(pod: Pod, observed: Observed, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    if (inits_done(pod, observed) or not pod.spec.init_containers) and not init_failed(pod, observed):
        return _condition("Initialized", True)
    incomplete = [s.name for s in status.init_container_statuses if not s.ready]
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _containers_ready(pod: Pod, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("ContainersReady", False, "PodCompleted")
    if status.phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    counted = [*(s for s in status.init_container_statuses if s.name in sidecars), *status.container_statuses]
    unready = [s.name for s in counted if not s.ready]
    if not unready:
        return _condition("ContainersReady", True)
    message = f"containers with unready status: [{' '.join(unready)}]"
    return _condition("ContainersReady", False, "ContainersNotReady", message)


def _ready(pod: Pod, observed: Observed, containers_ready: PodCondition) -> PodCondition:
    if observed.leaving is not None:
        return _condition("Ready", False, "TerminationByKubelet", observed.leaving.message)
    if containers_ready.status != "True":
        return _condition("Ready", False, containers_ready.reason, containers_ready.message)
    held = {condition.type for condition in observed.previous.conditions if condition.status == "True"}
    missing = [gate.condition_type for gate in pod.spec.readiness_gates if gate.condition_type not in held]
    if not missing:
        return _condition("Ready", True)
    told = ", ".join(f'corresponding condition of pod readiness gate "{gate}" does not exist' for gate in missing)
    return _condition("Ready", False, "ReadinessGatesNotReady", told)
