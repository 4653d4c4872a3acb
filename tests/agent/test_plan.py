"""What is done next for a pod: tables of what is, and the actions that follow."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.pods.actions import Action, Clean, CreateSandbox, Kill, Remove, StartContainer, Stop, Terminate
from agent.pods.ending import takes_requests
from agent.pods.observed import SANDBOX, BackoffRules, Failure, Hook, Observed, ProbeView, Termination
from agent.pods.plan import START_TAKES, plan, plan_orphan
from agent.runtime.records import ContainerRecord, State, spec_hash
from api.core import ContainerStatus, Pod, PodCondition, PodStatus, Service, ServiceSpec
from api.meta import ObjectMeta
from tests.agent.facts import NOW, ago, ended, observed, pod, record, sandbox


def _shown(actions: tuple[Action, ...]) -> list[str]:
    """Each action as a word and a name."""
    return [_word(action) for action in actions]


def _word(action: Action) -> str:
    match action:
        case CreateSandbox():
            return f"sandbox {action.attempt}"
        case StartContainer():
            return f"start {action.container.name} {action.attempt}"
        case Terminate():
            return f"terminate {action.record.id} {action.grace_s}"
        case Stop():
            return f"stop {action.record.id}"
        case Kill():
            return f"kill {action.record.id}{' by pid' if action.by_pid else ''}"
        case Remove():
            return f"remove {action.record.id}"
        case Clean():
            return "clean"


def _plan(item: Pod, seen: Observed, *, at: datetime = NOW) -> list[str]:
    return _shown(plan(item, seen, at).actions)


def _deleted(item: Pod, grace_s: int = 30) -> Pod:
    item.metadata.deletion_timestamp = NOW
    item.metadata.deletion_grace_period_seconds = grace_s
    return item


_ASKED = {"c0-0": Termination(asked_at=ago(5), kill_at=NOW + timedelta(seconds=25), grace_s=30)}
_OVERDUE = {"c0-0": Termination(asked_at=ago(31), kill_at=ago(1), grace_s=30)}
_STUCK = {"c0-0": Termination(asked_at=ago(60), kill_at=ago(30), grace_s=30)}


@pytest.mark.parametrize(
    ("item", "seen", "wanted"),
    [
        (pod(), observed(), ["sandbox 0"]),
        (pod(containers=2), observed(sandbox()), ["start c0 0", "start c1 0"]),
        (pod(), observed(sandbox(), record("c0")), []),
        # Restart policies.
        (pod(), observed(sandbox(), ended("c0")), ["start c0 1"]),
        (pod(restartPolicy="OnFailure"), observed(sandbox(), ended("c0", code=1)), ["start c0 1"]),
        (pod(restartPolicy="OnFailure"), observed(sandbox(), ended("c0")), ["remove sandbox-0"]),
        (pod(restartPolicy="Never"), observed(sandbox(), ended("c0", code=1)), ["remove sandbox-0"]),
        (pod(restartPolicy="Never"), observed(ended("c0", code=1)), []),
        (pod(containers=2, restartPolicy="Never"), observed(sandbox(), ended("c0"), record("c1")), []),
        # The sandbox.
        (pod(), observed(sandbox(state=State.EXITED), record("c0")), ["terminate c0-0 30"]),
        (pod(), observed(sandbox(state=State.EXITED), ended("c0")), ["remove sandbox-0", "sandbox 1"]),
        (pod(), observed(sandbox(attempt=1), ended("c0")), ["start c0 1"]),
        (pod(), observed(sandbox(state=State.CREATED, created_at=ago(11))), ["remove sandbox-0", "sandbox 0"]),
        (pod(), observed(sandbox(), sandbox(attempt=1), record("c0", sandbox_id="sandbox-1")), ["remove sandbox-0"]),
        # Leftovers of a start that was cut off, and old dead ones.
        (
            pod(),
            observed(sandbox(), record("c0", state=State.CREATED, created_at=ago(11))),
            ["remove c0-0", "start c0 0"],
        ),
        (
            pod(),
            observed(sandbox(), ended("c0"), ended("c0", attempt=1), record("c0", attempt=2)),
            ["remove c0-0"],
        ),
        # What must end.
        (pod(), observed(sandbox(), record("c0", spec_hash="old")), ["terminate c0-0 30"]),
        (pod(), observed(sandbox(), record("c0"), record("stranger")), ["terminate stranger-0 30"]),
        (pod(), observed(sandbox(), record("c0"), hooks={"c0-0": Hook.FAILED}), ["terminate c0-0 30"]),
        (pod(), observed(sandbox(), record("c0"), terminations=_ASKED), []),
        (pod(), observed(sandbox(), record("c0"), terminations=_OVERDUE), ["kill c0-0"]),
        (pod(), observed(sandbox(), record("c0"), terminations=_STUCK), ["kill c0-0 by pid"]),
    ],
)
def test_the_difference_is_closed(item: Pod, seen: Observed, wanted: list[str]) -> None:
    assert _plan(item, seen) == wanted


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (observed(sandbox()), ["start i0 0"]),
        (observed(sandbox(), record("i0")), []),
        (observed(sandbox(), ended("i0")), ["start i1 0"]),
        (observed(sandbox(), ended("i0"), ended("i1")), ["start c0 0"]),
        (observed(sandbox(), ended("i0", code=1)), ["start i0 1"]),
        # Once a container runs, init containers are history, even when their records are cleaned away.
        (observed(sandbox(), record("c0")), []),
        # A new sandbox is a new beginning.
        (observed(sandbox(attempt=1), ended("i0"), ended("i1"), ended("c0")), ["start i0 1"]),
    ],
)
def test_init_containers_run_one_after_the_other(seen: Observed, wanted: list[str]) -> None:
    assert _plan(pod(inits=2), seen) == wanted


@pytest.mark.parametrize(
    ("records", "gone"),
    [
        ((sandbox(state=State.CREATED),), False),
        ((sandbox(), record("c0", state=State.CREATED)), False),
        ((sandbox(state=State.CREATED),), True),
    ],
)
def test_what_docker_may_just_be_starting_is_waited_for(records: tuple[ContainerRecord, ...], gone: bool) -> None:
    todo = plan(pod(), observed(*records, gone=gone), NOW)
    assert (todo.actions, todo.wake_at) == ((), records[-1].created_at + START_TAKES)


def test_a_failed_init_container_ends_a_pod_that_never_restarts() -> None:
    assert _plan(pod(inits=1, restartPolicy="Never"), observed(sandbox(), ended("i0", code=1))) == ["remove sandbox-0"]


def test_a_sidecar_starts_first_stays_and_ends_last() -> None:
    sidecar = [{"name": "side", "image": "img:1", "restartPolicy": "Always"}]
    item = pod(initContainers=sidecar, restartPolicy="Never")
    assert _plan(item, observed(sandbox())) == ["start side 0"]
    assert _plan(item, observed(sandbox(), record("side"))) == ["start c0 0"]
    assert _plan(item, observed(sandbox(), record("c0"), ended("side"))) == ["start side 1"]
    assert _plan(item, observed(sandbox(), record("side"), ended("c0"))) == ["terminate side-0 30"]


def test_what_follows_a_sidecar_waits_until_it_has_started() -> None:
    side = {"name": "side", "image": "img:1", "restartPolicy": "Always", "startupProbe": {"exec": {"command": ["x"]}}}
    item = pod(initContainers=[side, {"name": "i0", "image": "img:1"}])
    running = record("side", spec_hash=spec_hash(item.spec.init_containers[0]))
    not_yet, now = ({running.id: ProbeView(started=started)} for started in (False, True))
    assert _plan(item, observed(sandbox(), running, probes=not_yet)) == []
    assert _plan(item, observed(sandbox(), running, probes=now)) == ["start i0 0"]
    assert _plan(item, observed(sandbox(), running, ended("i0"), probes=now)) == ["start c0 0"]


def test_a_container_that_ended_in_an_earlier_sandbox_stays_ended_where_none_restarts() -> None:
    seen = observed(sandbox(attempt=1), ended("c0"), record("c1", sandbox_id="sandbox-1"))
    assert _plan(pod(containers=2, restartPolicy="Never"), seen) == []


def test_an_ephemeral_container_is_started_once() -> None:
    item = pod(ephemeralContainers=[{"name": "look", "image": "img:1"}])
    assert _plan(item, observed(sandbox(), record("c0"))) == ["start look 0"]
    assert _plan(item, observed(sandbox(), record("c0"), record("look"))) == []
    assert _plan(item, observed(sandbox(), record("c0"), ended("look", code=1))) == []
    told = PodStatus(ephemeral_container_statuses=[ContainerStatus(name="look", container_id="docker://x")])
    assert _plan(item, observed(sandbox(), record("c0"), previous=told)) == []


@pytest.mark.parametrize(
    ("grace_s", "seen", "wanted"),
    [
        (30, observed(sandbox(), record("c0")), ["terminate c0-0 30"]),
        (30, observed(sandbox(), record("c0"), terminations=_ASKED), []),
        (2, observed(sandbox(), record("c0"), terminations=_ASKED), ["terminate c0-0 2"]),
        (0, observed(sandbox(), record("c0")), ["terminate c0-0 0"]),
        (30, observed(sandbox(), record("c0"), terminations=_OVERDUE), ["kill c0-0"]),
        (30, observed(sandbox(), ended("c0")), ["remove c0-0", "remove sandbox-0"]),
        (30, observed(), ["clean"]),
    ],
)
def test_a_deleted_pod_is_taken_down_step_by_step(grace_s: int, seen: Observed, wanted: list[str]) -> None:
    assert _plan(_deleted(pod(), grace_s), seen) == wanted


def test_an_orphan_is_taken_down_with_the_grace_on_its_label() -> None:
    seen = observed(sandbox(), record("c0", grace_s=7), gone=True)
    seen = replace(seen, records=tuple(replace(item, grace_s=7) for item in seen.records))
    assert _shown(plan_orphan(seen, NOW).actions) == ["terminate c0-0 7"]


@pytest.mark.parametrize(
    ("level", "ran_s", "delay_s"),
    [(0, 1, 0), (1, 1, 1), (2, 1, 2), (3, 1, 4), (6, 1, 32), (7, 1, 60), (50, 1, 60), (50, 600, 0)],
)
def test_the_back_off_doubles_to_its_cap_and_is_reset_by_good_running(level: int, ran_s: float, delay_s: float) -> None:
    run = ended("c0", level=level, started_at=ago(ran_s), finished_at=NOW)
    assert BackoffRules().delay_s(run) == delay_s


def test_a_container_in_back_off_is_waited_for() -> None:
    seen = observed(sandbox(), ended("c0", level=3, finished_at=ago(1), started_at=ago(2)))
    todo = plan(pod(), seen, NOW)
    assert todo.actions == ()
    assert todo.wake_at == NOW + timedelta(seconds=3)
    later = plan(pod(), seen, NOW + timedelta(seconds=3))
    assert [action.level for action in later.actions if isinstance(action, StartContainer)] == [4]


@pytest.mark.parametrize(("name", "records"), [("c0", (sandbox(),)), (SANDBOX, ())])
def test_what_failed_is_tried_again_when_its_time_has_come(name: str, records: tuple[()]) -> None:
    failure = Failure(reason="ErrImagePull", message="", retry_at=NOW + timedelta(seconds=9))
    todo = plan(pod(), observed(*records, failures={name: failure}), NOW)
    assert (todo.actions, todo.wake_at) == ((), failure.retry_at)
    assert len(plan(pod(), observed(*records, failures={name: failure}), failure.retry_at).actions) == 1


def test_a_failed_liveness_probe_ends_the_container_with_the_probes_grace() -> None:
    because = "Container c0 failed liveness probe, will be restarted"
    probes = {"c0-0": ProbeView(restart_because=because, restart_grace_s=3)}
    actions = plan(pod(), observed(sandbox(), record("c0"), probes=probes), NOW).actions
    assert _shown(actions) == ["terminate c0-0 3"]
    assert isinstance(actions[0], Terminate)
    assert actions[0].because == because


def test_a_stop_signal_that_is_held_back_is_sent_in_time() -> None:
    held = Termination(
        asked_at=NOW, kill_at=NOW + timedelta(seconds=9), grace_s=9, signal_at=NOW + timedelta(seconds=2)
    )
    seen = observed(sandbox(), record("c0"), terminations={"c0-0": held})
    going = pod()
    going.metadata.deletion_timestamp = NOW
    going.metadata.deletion_grace_period_seconds = 9
    early = plan(going, seen, NOW)
    assert (early.actions, early.wake_at) == ((), held.signal_at)
    assert _plan(going, seen, at=NOW + timedelta(seconds=2)) == ["stop c0-0"]
    assert _plan(going, seen, at=NOW + timedelta(seconds=9)) == ["kill c0-0"]


@pytest.mark.parametrize(
    ("ready", "deleted", "selector", "held"),
    [
        (True, True, {"app": "web"}, True),
        (False, True, {"app": "web"}, False),
        (True, False, {"app": "web"}, False),
        (True, True, {"app": "other"}, False),
        (True, True, {}, False),
    ],
)
def test_a_deleted_pod_takes_requests_while_it_is_ready_and_behind_a_service(
    ready: bool, deleted: bool, selector: dict[str, str], held: bool
) -> None:
    item = pod()
    item.metadata.labels = {"app": "web"}
    item.metadata.deletion_timestamp = NOW if deleted else None
    item.status.conditions = [PodCondition(type="Ready", status="True" if ready else "False")]
    service = Service(
        metadata=ObjectMeta(name="web", namespace=item.metadata.namespace), spec=ServiceSpec(selector=selector)
    )
    assert takes_requests(item, [service]) is held
    elsewhere = ObjectMeta(name="web", namespace="elsewhere")
    assert not takes_requests(item, [Service(metadata=elsewhere, spec=service.spec)])


def test_the_count_goes_on_when_the_dead_container_was_cleaned_away() -> None:
    told = PodStatus(container_statuses=[ContainerStatus(name="c0", restart_count=4, container_id="docker://x")])
    assert _plan(pod(), observed(sandbox(), previous=told)) == ["start c0 5"]


def test_a_pod_past_its_deadline_is_ended() -> None:
    item = pod(activeDeadlineSeconds=60)
    seen = observed(sandbox(), record("c0"), previous=PodStatus(start_time=ago(61)))
    assert _plan(item, seen) == ["terminate c0-0 30"]
    early = observed(sandbox(), record("c0"), previous=PodStatus(start_time=ago(50)))
    assert plan(item, early, NOW).wake_at == NOW + timedelta(seconds=10)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_is_never_started_again(phase: str) -> None:
    assert _plan(pod(), observed(previous=PodStatus(phase=phase))) == []
