"""What is said of a pod: tables of what is, and the phase, states and conditions that follow."""

from datetime import timedelta

import pytest

from agent.pods.observed import Failure, Leaving, Observed, ProbeView
from agent.pods.report import status_patch
from agent.pods.status import status_of
from agent.runtime.records import State
from api.core import ContainerState, ContainerStateRunning, ContainerStatus, Pod, PodCondition, PodStatus
from tests.agent.facts import NOW, ago, ended, observed, pod, record, sandbox


def _of(item: Pod, seen: Observed) -> PodStatus:
    return status_of(item, seen, NOW)


def _condition(status: PodStatus, kind: str) -> PodCondition:
    return next(condition for condition in status.conditions if condition.type == kind)


def _deleted(item: Pod) -> Pod:
    item.metadata.deletion_timestamp = NOW
    return item


@pytest.mark.parametrize(
    ("item", "seen", "phase"),
    [
        (pod(), observed(), "Pending"),
        (pod(), observed(sandbox()), "Pending"),
        (pod(containers=2), observed(sandbox(), record("c0")), "Pending"),
        (pod(), observed(sandbox(), record("c0")), "Running"),
        (pod(), observed(sandbox(), ended("c0", code=1)), "Running"),
        (pod(), observed(sandbox(), ended("c0", code=1, level=5)), "Running"),
        (pod(restartPolicy="OnFailure"), observed(sandbox(), ended("c0", code=1)), "Running"),
        (pod(restartPolicy="OnFailure"), observed(ended("c0")), "Succeeded"),
        (pod(restartPolicy="Never"), observed(ended("c0")), "Succeeded"),
        (pod(restartPolicy="Never"), observed(ended("c0", code=2)), "Failed"),
        (pod(containers=2, restartPolicy="Never"), observed(sandbox(), ended("c0", code=2), record("c1")), "Running"),
        (pod(containers=2, restartPolicy="Never"), observed(ended("c0"), ended("c1", code=1)), "Failed"),
        (pod(inits=1), observed(sandbox(), record("i0")), "Pending"),
        (pod(inits=1), observed(sandbox(), ended("i0", code=1)), "Pending"),
        (pod(inits=1, restartPolicy="Never"), observed(sandbox(), ended("i0", code=1)), "Failed"),
        (pod(inits=1), observed(sandbox(), ended("i0"), record("c0")), "Running"),
        (_deleted(pod()), observed(sandbox(), ended("c0")), "Succeeded"),
        (_deleted(pod()), observed(sandbox(), ended("c0", code=137)), "Failed"),
        (pod(), observed(previous=PodStatus(phase="Failed", reason="Evicted")), "Failed"),
    ],
)
def test_the_phase_follows_from_the_containers(item: Pod, seen: Observed, phase: str) -> None:
    assert _of(item, seen).phase == phase


_NO_IMAGE = {"c0": Failure(reason="ErrImagePull", message="no such host", retry_at=NOW)}


@pytest.mark.parametrize(
    ("item", "seen", "reason"),
    [
        (pod(), observed(), "ContainerCreating"),
        (pod(inits=1), observed(sandbox(), record("i0")), "PodInitializing"),
        (pod(), observed(sandbox(), failures=_NO_IMAGE), "ErrImagePull"),
        (pod(), observed(sandbox(), ended("c0", code=1), failures=_NO_IMAGE), "ErrImagePull"),
        (pod(), observed(sandbox(), ended("c0", code=1, level=5)), "CrashLoopBackOff"),
    ],
)
def test_a_container_that_waits_tells_why(item: Pod, seen: Observed, reason: str) -> None:
    state = _of(item, seen).container_statuses[0].state
    assert state is not None
    assert state.waiting is not None
    assert state.waiting.reason == reason


def test_crash_loop_back_off_has_kubernetes_message_and_the_last_end() -> None:
    status = _of(pod(), observed(sandbox(), ended("c0", code=1, level=5, attempt=4))).container_statuses[0]
    assert status.state.waiting is not None
    assert status.state.waiting.message == "back-off 16s restarting failed container=c0 pod=p_ns(uid-1)"
    assert status.last_state.terminated is not None
    assert (status.last_state.terminated.exit_code, status.restart_count) == (1, 4)


@pytest.mark.parametrize(
    ("run", "reason", "code"),
    [
        (ended("c0"), "Completed", 0),
        (ended("c0", code=3), "Error", 3),
        (ended("c0", code=137, oom_killed=True), "OOMKilled", 137),
        (record("c0", state=State.FAILED, exit_code=127, error="no such file"), "ContainerCannotRun", 127),
    ],
)
def test_an_end_has_its_reason(run: object, reason: str, code: int) -> None:
    status = _of(pod(restartPolicy="Never"), observed(run)).container_statuses[0]  # type: ignore[arg-type]
    assert status.state.terminated is not None
    assert (status.state.terminated.reason, status.state.terminated.exit_code) == (reason, code)


def test_a_running_pod_has_addresses_and_all_conditions() -> None:
    status = _of(pod(), observed(sandbox(), record("c0")))
    assert (status.pod_ip, status.pod_ips[0].ip, status.host_ip) == ("10.244.0.5", "10.244.0.5", "192.0.2.9")
    assert {c.type: c.status for c in status.conditions} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    assert status.container_statuses[0].container_id == "docker://c0-0"


def test_a_pod_on_the_hosts_network_has_the_hosts_address() -> None:
    assert _of(pod(hostNetwork=True), observed(sandbox(ip=""), record("c0"))).pod_ip == "192.0.2.9"


def test_readiness_gates_and_foreign_conditions_count() -> None:
    item = pod(readinessGates=[{"conditionType": "lb"}])
    assert _condition(_of(item, observed(sandbox(), record("c0"))), "Ready").reason == "ReadinessGatesNotReady"
    before = PodStatus(conditions=[PodCondition(type="lb", status="True")])
    status = _of(item, observed(sandbox(), record("c0"), previous=before))
    assert _condition(status, "Ready").status == "True"
    assert _condition(status, "lb").status == "True"


def test_a_failed_readiness_probe_takes_ready_away_and_tells_since_when() -> None:
    seen = observed(sandbox(), record("c0"), previous=_of(pod(), observed(sandbox(), record("c0"))))
    later = NOW + timedelta(minutes=1)
    unready = {"c0-0": ProbeView(ready=False)}
    status = status_of(pod(), observed(*seen.records, previous=seen.previous, probes=unready), later)
    assert _condition(status, "Ready").last_transition_time == later
    assert _condition(status, "Initialized").last_transition_time == NOW
    assert (status.phase, status.container_statuses[0].ready, status.container_statuses[0].started) == (
        "Running", False, True,
    )  # fmt: skip


def test_a_pod_past_its_deadline_has_failed_when_nothing_of_it_runs_any_more() -> None:
    before = PodStatus(phase="Running", start_time=ago(61))
    status = _of(pod(activeDeadlineSeconds=60), observed(sandbox(), record("c0"), previous=before))
    assert (status.phase, status.reason) == ("Running", "")
    status = _of(pod(activeDeadlineSeconds=60), observed(sandbox(), ended("c0", code=143), previous=before))
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    state = status.container_statuses[0].state
    assert state is not None
    assert state.terminated is not None  # it does not wait to be started again


def test_a_rejected_pod_tells_only_that_however_often_it_is_looked_at() -> None:
    scheduled = PodStatus(phase="Pending", conditions=[PodCondition(type="PodScheduled", status="True")])
    leaving = Leaving(reason="OutOfcpu", message="Pod was rejected: x", rejected=True)
    told = _of(pod(), observed(previous=scheduled, leaving=leaving))
    assert (told.phase, told.reason, told.conditions, told.container_statuses) == ("Failed", "OutOfcpu", [], [])
    again = PodStatus(
        phase="Failed", reason=told.reason, message=told.message, qos_class=told.qos_class, start_time=told.start_time,
        conditions=scheduled.conditions,  # the API has them still
    )  # fmt: skip
    assert _of(pod(), observed(previous=again, leaving=leaving)) == told
    assert _of(pod(), observed(previous=told)) == told  # of an agent that was started since


def test_what_ran_and_was_cleaned_away_is_told_as_lost() -> None:
    running = ContainerState(running=ContainerStateRunning(started_at=NOW))
    before = PodStatus(container_statuses=[ContainerStatus(name="c0", container_id="docker://x", state=running)])
    status = _of(_deleted(pod()), observed(previous=before)).container_statuses[0]
    assert status.state.terminated is not None
    assert (status.state.terminated.reason, status.state.terminated.exit_code) == ("ContainerStatusUnknown", 137)


def test_a_status_is_stable_while_nothing_changes() -> None:
    first = _of(pod(), observed(sandbox(), record("c0")))
    later = status_of(pod(), observed(sandbox(), record("c0"), previous=first), NOW + timedelta(minutes=5))
    assert later == first
    assert status_patch("u", first, later) is None


def test_a_patch_holds_what_changed_and_takes_away_what_is_gone() -> None:
    before = PodStatus(phase="Pending", reason="Why")
    assert status_patch("u", before, PodStatus(phase="Running")) == {
        "metadata": {"uid": "u"},
        "status": {"phase": "Running", "reason": None},
    }
