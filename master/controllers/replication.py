"""Replication controllers and replica sets: keep as many pods as ``spec.replicas`` says."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from api.apps import ReplicaSet
from api.core import Pod, ReplicationController
from api.errors import ApiError, NotFound
from api.meta import ObjectMeta
from api.scalars import now
from client import Client, EventRecorder, Informer, Unreachable
from master.controllers.claiming import claim
from master.controllers.expectations import CONFIRM_AFTER_S, Expected
from master.controllers.informers import BY_NAMESPACE, BY_OWNER, UNCONTROLLED, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import controller_of, reference
from master.controllers.pods import is_active
from master.controllers.replicafailure import is_terminating
from master.controllers.replicas import Decision, Replicated, decide, selector_of, status_of
from master.controllers.slowstart import slow_start
from master.writers import Writers

_GATHER_S = 0.05


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
        writers: Writers,
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
        self._expected: dict[Key, tuple[str, Expected]] = {}
        self.loop = Loop("replicaset" if kind is ReplicaSet else "replication", self.reconcile, workers=workers)
        self.loop.follow(self._controllers)
        self._pods.add_listener(self._pod_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """Tells who manages it, and who did; or who may adopt it."""
        there = [pod for pod in (old, new) if pod is not None]
        owners = [owner for owner in map(controller_of, there) if owner is not None]
        # What only changes the status can wait for more of its kind; a pod that is lost is replaced at once.
        counts_same = old is not None and new is not None and is_active(old) == is_active(new)
        for name in {owner.name for owner in owners if owner.kind == self._kind.__name__}:
            self.loop.queue.add_after((there[0].metadata.namespace, name), _GATHER_S if counts_same else 0.0)
        if new is not None and controller_of(new) is None:
            for controller in self._controllers.indexed(BY_NAMESPACE, new.metadata.namespace):
                if selector_of(controller).matches(new.metadata.labels):
                    self.loop.queue.add((new.metadata.namespace, controller.metadata.name))

    def reconcile(self, key: Key) -> str:
        controller = self._controllers.get(*key)
        if controller is None:
            self._expected.pop(key, None)
            return ""
        pods = self._claim(controller)
        expected = self._expectations(key, controller.metadata.uid)
        expected.observe(list(self._pods.indexed(BY_OWNER, controller.metadata.uid)))
        self._look_up(controller, expected)
        if controller.metadata.deletion_timestamp is not None:
            self._report(controller, pods)
            return ""
        wanted = controller.spec.replicas or 0
        relatives = self._relatives(controller) if len(pods) > wanted else None
        decision = decide(
            wanted, pods, now(), coming=len(expected.created), going=expected.deleted, relatives=relatives
        )
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

    def _look_up(self, controller: Replicated, expected: Expected) -> None:
        """Forgets pods that came and went unseen; looks again while any is awaited."""
        for name in expected.overdue(time.monotonic()):
            if self._is_there(controller, name):
                expected.created[name] = time.monotonic()
            else:
                del expected.created[name]
        if expected.created:
            self._later(controller, CONFIRM_AFTER_S)

    def _is_there(self, controller: Replicated, name: str) -> bool:
        try:
            owner = controller_of(self._client.get(Pod, name, controller.metadata.namespace))
        except NotFound:
            return False
        return owner is not None and owner.uid == controller.metadata.uid

    def _later(self, controller: Replicated, seconds: float) -> None:
        self.loop.queue.add_after((controller.metadata.namespace, controller.metadata.name), seconds)

    def _expectations(self, key: Key, uid: str) -> Expected:
        """What is expected of this controller; nothing of an earlier one of the same name."""
        known = self._expected.get(key)
        if known is None or known[0] != uid:
            known = self._expected[key] = (uid, Expected())
        return known[1]

    def _claim(self, controller: Replicated) -> list[Pod]:
        """Its active pods."""
        owned = self._pods.indexed(BY_OWNER, controller.metadata.uid)
        loose = self._pods.indexed(UNCONTROLLED, controller.metadata.namespace)
        return claim(
            self._client, controller, selector_of(controller), filter(is_active, owned), filter(is_active, loose)
        )

    def _relatives(self, controller: Replicated) -> list[Pod] | None:
        """Active pods of the other controllers that the owner of this one has; None without an owner."""
        owner = controller_of(controller)
        if owner is None:
            return None
        siblings = self._controllers.indexed(BY_OWNER, owner.uid)
        uids = (one.metadata.uid for one in siblings if one.metadata.uid != controller.metadata.uid)
        return [pod for uid in uids for pod in self._pods.indexed(BY_OWNER, uid) if is_active(pod)]

    def _act(self, controller: Replicated, decision: Decision, expected: Expected) -> str:
        if decision.create:
            try:
                slow_start(decision.create, lambda: self._create(controller, expected), self._writers)
            finally:
                self._later(controller, CONFIRM_AFTER_S)
        if decision.delete:
            leaving = iter(decision.delete)
            slow_start(len(decision.delete), lambda: self._delete(controller, next(leaving), expected), self._writers)
        if decision.create:
            return f"created {decision.create} pods"
        return f"deleted {len(decision.delete)} pods" if decision.delete else ""

    def _create(self, controller: Replicated, expected: Expected) -> None:
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

    def _delete(self, controller: Replicated, pod: Pod, expected: Expected) -> None:
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
