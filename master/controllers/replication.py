"""Replication controllers and replica sets: keep as many pods as ``spec.replicas`` says.

The rule: never more than wanted because a watch is slow. What was created or deleted but not yet seen through the
watch is remembered (``_Expected``) and counted as done. What the watch does not show for a while is looked
up: a pod may have come and gone between two looks.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from api.apps import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from api.core import Pod, ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus
from api.errors import ApiError, NotFound
from api.meta import ObjectMeta
from api.scalars import now
from api.selectors import Selector, from_label_selector, from_map
from client import Client, EventRecorder, Informer, Unreachable
from master.controllers.informers import BY_NAMESPACE, BY_OWNER, UNCONTROLLED, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import check_may_adopt, controller_of, reference
from master.controllers.pods import is_active, is_ready, ready_seconds
from master.controllers.replicafailure import is_terminating, with_failure
from master.controllers.slowstart import slow_start

log = logging.getLogger(__name__)

Replicated = ReplicationController | ReplicaSet

_CONFIRM_AFTER_S = 1.0
_BURST = 500
_GATHER_S = 0.05
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one controller."""

    create: int = 0
    delete: tuple[Pod, ...] = ()


@dataclass(slots=True)
class _Expected:
    """Pods created (by name) and deleted (by UID) that the watch has not shown yet, with the time they were asked
    for."""

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
        return [name for name, at in self.created.items() if at <= moment - _CONFIRM_AFTER_S]


def decide(
    wanted: int,
    pods: Sequence[Pod],
    *,
    coming: int = 0,
    going: Iterable[str] = (),
    relatives: Iterable[Pod] | None = None,
) -> Decision:
    """How many pods to create, or which to delete.

    pods: the active pods of the controller. coming: pods created that are not among them yet. going: UIDs of pods
    among them that were deleted already. relatives: active pods of the other replica sets of the same deployment; None
    for a controller without an owner, whose pods crowd no node (as with Kubernetes).
    """
    leaving = set(going)
    staying = [pod for pod in pods if pod.metadata.uid not in leaving]
    difference = wanted - len(staying) - coming
    if difference >= 0:
        return Decision(create=min(difference, _BURST))
    crowd = Counter(pod.spec.node_name for pod in (*staying, *relatives)) if relatives is not None else Counter[str]()
    ranked = sorted(staying, key=lambda pod: usefulness(pod, beside=crowd[pod.spec.node_name]))
    return Decision(delete=tuple(ranked[: min(-difference, len(staying))]))


def usefulness(pod: Pod, *, beside: int = 0) -> tuple[bool, int, bool, int, int, float, int, float]:
    """Sorts the least useful pod first: not scheduled, pending before unknown before running, not ready, of the lowest
    ``controller.kubernetes.io/pod-deletion-cost``, on the node with the most of its kind (``beside``), ready for the
    shortest time, most restarted in one container, youngest. (The order of Kubernetes' ``ActivePodsWithRanks``.)
    """
    status = pod.status
    moment = now()
    created = pod.metadata.creation_timestamp or moment
    restarts = max((container.restart_count for container in status.container_statuses), default=0)
    return (
        bool(pod.spec.node_name),
        _PHASES.get(status.phase, 0),
        is_ready(pod),
        _deletion_cost(pod),
        -beside,
        ready_seconds(pod, moment),
        -restarts,
        (moment - created).total_seconds(),
    )


def _deletion_cost(pod: Pod) -> int:
    """0 for what is no number: the API server lets it pass."""
    try:
        return int(pod.metadata.annotations.get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0


def selector_of(controller: Replicated) -> Selector:
    """Which pods a controller counts as its own."""
    if isinstance(controller, ReplicaSet):
        return from_label_selector(controller.spec.selector)
    return from_map(controller.spec.selector)


def status_of(
    controller: Replicated, pods: Sequence[Pod], moment: datetime, failure: tuple[str, str] | None = None
) -> tuple[ReplicationControllerStatus | ReplicaSetStatus, float]:
    """The status that the active pods add up to, and the seconds until one more becomes available (0 for none).

    failure: reason and message of what could not be done just now.
    """
    spec = controller.spec
    template = from_map(spec.template.metadata.labels) if spec.template is not None else from_map({})
    ages = [ready_seconds(pod, moment) for pod in pods]
    soon = [spec.min_ready_seconds - age for age in ages if 0 <= age < spec.min_ready_seconds]
    status = msgspec.structs.replace(
        controller.status,
        replicas=len(pods),
        fully_labeled_replicas=sum(template.matches(pod.metadata.labels) for pod in pods),
        ready_replicas=sum(is_ready(pod) for pod in pods),
        available_replicas=sum(age >= spec.min_ready_seconds for age in ages),
        observed_generation=controller.metadata.generation,
    )
    if failure or status.conditions:
        kind: Any = ReplicaSetCondition if isinstance(controller, ReplicaSet) else ReplicationControllerCondition
        status.conditions = with_failure(kind, status.conditions, failure, moment)
    return status, min(soon, default=0.0)


class ReplicationManager:
    """Acts on what ``decide`` says, for one kind of controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: EventRecorder,
        *,
        kind: type[Replicated] = ReplicationController,
        workers: int = 1,
        writers: Executor,
    ) -> None:
        self._client = client
        self._writers = writers
        self._kind = kind
        self._controllers: Informer[Any] = (
            informers.replica_sets if kind is ReplicaSet else informers.replication_controllers
        )
        self._pods = informers.pods
        self._recorder = recorder
        # With the controller's UID. One worker at a time has a key, so no lock is needed.
        self._expected: dict[Key, tuple[str, _Expected]] = {}
        self.loop = Loop("replicaset" if kind is ReplicaSet else "replication", self.reconcile, workers=workers)
        self._controllers.add_listener(self._controller_changed)
        self._pods.add_listener(self._pod_changed)

    def _controller_changed(self, old: Replicated | None, new: Replicated | None) -> None:
        item = new or old
        if item is not None:
            self.loop.queue.add((item.metadata.namespace, item.metadata.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        # What only changes the status can wait for more of its kind; a pod that is lost is replaced at once.
        counts_same = old is not None and new is not None and is_active(old) == is_active(new)
        wait_s = _GATHER_S if counts_same else 0.0
        if new is not None:
            self._pod_moved(new, wait_s)
        if old is not None and (new is None or _belongs(old) != _belongs(new)):
            self._pod_moved(old, wait_s)

    def _pod_moved(self, pod: Pod, wait_s: float) -> None:
        owner = controller_of(pod)
        if owner is not None:
            if owner.kind == self._kind.__name__:
                self.loop.queue.add_after((pod.metadata.namespace, owner.name), wait_s)
            return
        for controller in self._controllers.indexed(BY_NAMESPACE, pod.metadata.namespace):
            if selector_of(controller).matches(pod.metadata.labels):
                self.loop.queue.add((pod.metadata.namespace, controller.metadata.name))

    def reconcile(self, key: Key) -> str:
        controller = self._controllers.get(*key)
        if controller is None:
            self._expected.pop(key, None)
            return ""
        pods = [pod for pod in self._claim(controller) if is_active(pod)]
        expected = self._expectations(key, controller.metadata.uid)
        expected.observe(list(self._pods.indexed(BY_OWNER, controller.metadata.uid)))
        self._look_up(controller, expected)
        if controller.metadata.deletion_timestamp is not None:
            self._report(controller, pods)
            return ""
        wanted = controller.spec.replicas or 0
        relatives = self._relatives(controller) if len(pods) > wanted else None
        decision = decide(wanted, pods, coming=len(expected.created), going=expected.deleted, relatives=relatives)
        try:
            said = self._act(controller, decision, expected)
        except ApiError as error:
            if is_terminating(error):
                # All of this goes with its namespace: that is no fault, and not to be tried again.
                self._report(controller, pods)
                return ""
            # What was reached is told all the same, and why it is no more.
            self._report(controller, pods, ("FailedCreate" if decision.create else "FailedDelete", str(error)))
            raise
        self._report(controller, pods)
        return said

    def _look_up(self, controller: Replicated, expected: _Expected) -> None:
        """Forgets pods that came and went unseen; looks again while any is awaited."""
        for name in expected.overdue(time.monotonic()):
            if self._is_there(controller, name):
                expected.created[name] = time.monotonic()
            else:
                del expected.created[name]
        if expected.created:
            self._later(controller, _CONFIRM_AFTER_S)

    def _is_there(self, controller: Replicated, name: str) -> bool:
        try:
            owner = controller_of(self._client.get(Pod, name, controller.metadata.namespace))
        except NotFound:
            return False
        return owner is not None and owner.uid == controller.metadata.uid

    def _later(self, controller: Replicated, seconds: float) -> None:
        self.loop.queue.add_after((controller.metadata.namespace, controller.metadata.name), seconds)

    def _expectations(self, key: Key, uid: str) -> _Expected:
        """What is expected of this controller; nothing of an earlier one of the same name."""
        known = self._expected.get(key)
        if known is None or known[0] != uid:
            known = self._expected[key] = (uid, _Expected())
        return known[1]

    def _claim(self, controller: Replicated) -> list[Pod]:
        """The controller's pods; ones without an owner that match are adopted, ones that match no more are released."""
        selector = selector_of(controller)
        mine: list[Pod] = []
        for pod in self._pods.indexed(BY_OWNER, controller.metadata.uid):
            owner = controller_of(pod)
            if owner is None or owner.uid != controller.metadata.uid:
                # It depends on this controller, but is not one of its replicas.
                continue
            if selector.matches(pod.metadata.labels):
                mine.append(pod)
            elif pod.metadata.deletion_timestamp is None:
                self._try(self._release, pod, controller)
        if controller.metadata.deletion_timestamp is not None:
            return mine
        loose = [
            pod
            for pod in self._pods.indexed(UNCONTROLLED, controller.metadata.namespace)
            if selector.matches(pod.metadata.labels) and is_active(pod)
        ]
        if loose:
            check_may_adopt(self._client, controller)
        for pod in loose:
            mine.extend(self._try(self._adopt, pod, controller))
        return mine

    def _relatives(self, controller: Replicated) -> list[Pod] | None:
        """Active pods of the other controllers that the owner of this one has; None without an owner."""
        owner = controller_of(controller)
        if owner is None:
            return None
        siblings = self._controllers.indexed(BY_OWNER, owner.uid)
        uids = (one.metadata.uid for one in siblings if one.metadata.uid != controller.metadata.uid)
        return [pod for uid in uids for pod in self._pods.indexed(BY_OWNER, uid) if is_active(pod)]

    @staticmethod
    def _try(step: Callable[[Pod, Replicated], Pod], pod: Pod, owner: Replicated) -> list[Pod]:
        """The pod after the step; nothing when it has gone meanwhile."""
        try:
            return [step(pod, owner)]
        except NotFound:
            return []

    def _adopt(self, pod: Pod, controller: Replicated) -> Pod:
        patch = {"metadata": {"uid": pod.metadata.uid, "ownerReferences": [reference(controller)]}}
        return self._client.patch(Pod, pod.metadata.name, pod.metadata.namespace, patch)

    def _release(self, pod: Pod, controller: Replicated) -> Pod:
        gone = {"$patch": "delete", "uid": controller.metadata.uid}
        patch = {"metadata": {"uid": pod.metadata.uid, "ownerReferences": [gone]}}
        return self._client.patch(Pod, pod.metadata.name, pod.metadata.namespace, patch)

    def _act(self, controller: Replicated, decision: Decision, expected: _Expected) -> str:
        if decision.create:
            try:
                slow_start(decision.create, lambda: self._create(controller, expected), self._writers)
            finally:
                self._later(controller, _CONFIRM_AFTER_S)
        if decision.delete:
            leaving = iter(decision.delete)
            slow_start(len(decision.delete), lambda: self._delete(controller, next(leaving), expected), self._writers)
        if decision.create:
            return f"created {decision.create} pods"
        return f"deleted {len(decision.delete)} pods" if decision.delete else ""

    def _create(self, controller: Replicated, expected: _Expected) -> None:
        template = controller.spec.template
        if template is None:
            raise ValueError("spec.template is missing")
        pod = Pod(
            metadata=ObjectMeta(
                generate_name=f"{controller.metadata.name}-",
                namespace=controller.metadata.namespace,
                labels=template.metadata.labels,
                annotations=template.metadata.annotations,
                finalizers=template.metadata.finalizers,
                owner_references=[reference(controller)],
            ),
            spec=template.spec,
        )
        try:
            made = self._client.create(pod)
        except ApiError as error:
            if not is_terminating(error):
                self._recorder.event(controller, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        expected.created[made.metadata.name] = time.monotonic()
        self._recorder.event(controller, "Normal", "SuccessfulCreate", f"Created pod: {made.metadata.name}")

    def _delete(self, controller: Replicated, pod: Pod, expected: _Expected) -> None:
        expected.deleted[pod.metadata.uid] = time.monotonic()
        try:
            self._client.delete(Pod, pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid)
        except NotFound:
            return
        except (ApiError, Unreachable):
            expected.deleted.pop(pod.metadata.uid, None)
            raise
        self._recorder.event(controller, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    def _report(self, controller: Replicated, pods: Sequence[Pod], failure: tuple[str, str] | None = None) -> None:
        status, wait_s = status_of(controller, pods, now(), failure)
        if wait_s > 0:
            self._later(controller, wait_s)
        if status == controller.status:
            return
        try:
            self._client.update_status(msgspec.structs.replace(controller, status=status))
        except NotFound:
            return


def _belongs(pod: Pod) -> tuple[object, ...]:
    """All of a pod by which a controller is found for it."""
    return pod.metadata.owner_references, pod.metadata.labels
