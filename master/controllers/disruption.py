"""Disruption controller: tells in the status of each PodDisruptionBudget how many of its pods may be evicted now.

The rule: the status allows only what was counted at its own version. The API server takes one allowance off for each
eviction at that version, so a status worked out from an older one is refused, and worked out again.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from api.apps import ReplicaSet
from api.autoscaling import Scale
from api.codec import decode
from api.core import Pod
from api.errors import MethodNotAllowed, NotFound
from api.meta import OwnerReference
from api.policy import PodDisruptionBudget
from api.resources import find_kind
from api.scalars import now
from api.selectors import from_label_selector
from client import Client, EventRecorder
from master.controllers.budgets import asks_for_scale, fail_safe, needed, noted, status_of
from master.controllers.informers import BY_NAMESPACE, BY_UID, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import controller_of
from master.controllers.pods import is_ready


class _NoScale(Exception):
    """The number of pods that are wanted cannot be told."""


class DisruptionController:
    """Acts on what ``budgets`` works out."""

    name = "disruption"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, *, workers: int = 1) -> None:
        self._client = client
        self._budgets = informers.budgets
        self._pods = informers.pods
        # Those whose number of pods is known without asking.
        self._scaled = (informers.replication_controllers, informers.replica_sets, informers.deployments)
        self._recorder = recorder
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self.loop.follow(self._budgets)
        self._pods.add_listener(self._pod_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        there = [one for one in (old, new) if one is not None]
        budgets = self._budgets.indexed(BY_NAMESPACE, there[0].metadata.namespace)
        if not budgets or (old is not None and new is not None and _seen(old) == _seen(new)):
            return
        for budget in budgets:
            selector = from_label_selector(budget.spec.selector)
            if any(selector.matches(pod.metadata.labels) for pod in there):
                self.loop.queue.add((budget.metadata.namespace, budget.metadata.name))

    def reconcile(self, key: Key) -> str:
        budget = self._budgets.get(*key)
        if budget is None or budget.metadata.deletion_timestamp is not None:
            return ""
        selector = from_label_selector(budget.spec.selector)
        pods = [pod for pod in self._pods.indexed(BY_NAMESPACE, key[0]) if selector.matches(pod.metadata.labels)]
        if not pods:
            self._recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        try:
            scale = self._scale(budget, pods) if asks_for_scale(budget.spec) else 0
        except _NoScale as error:
            return self._fail(budget, str(error))
        return self._judge(budget, pods, scale)

    def _judge(self, budget: PodDisruptionBudget, pods: Sequence[Pod], scale: int) -> str:
        moment = now()
        known = noted(budget, pods, moment)
        for pod in known.staying:
            where = f"{budget.metadata.namespace}/{budget.metadata.name}"
            why = f"Pod was expected by PDB {where} to be deleted but it wasn't"
            self._recorder.event(pod, "Warning", "NotDeleted", why)
        if known.awaited:
            key = (budget.metadata.namespace, budget.metadata.name)
            self.loop.queue.add_after(key, known.recheck_s(moment))
        need = needed(budget.spec, pods=len(pods), scale=scale)
        status = status_of(budget, pods, need, known.awaited, moment)
        if status == budget.status:
            return ""
        self._write(replace(budget, status=status))
        return f"{status.disruptions_allowed} of {status.current_healthy} may go"

    def _fail(self, budget: PodDisruptionBudget, problem: str) -> str:
        about = f"Failed to calculate the number of expected pods: {problem}"
        self._recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", about)
        status = fail_safe(budget, problem, now())
        if status == budget.status:
            return ""
        self._write(replace(budget, status=status))
        return f"allows nothing: {problem}"

    def _write(self, budget: PodDisruptionBudget) -> None:
        try:
            self._client.update_status(budget)
        except NotFound:
            return

    def _scale(self, budget: PodDisruptionBudget, pods: Sequence[Pod]) -> int:
        """How many pods their controllers want in all. Raises _NoScale."""
        scales: dict[str, int] = {}
        unmanaged: list[str] = []
        seen: set[str] = set()
        for pod in pods:
            owner = controller_of(pod)
            if owner is None:
                unmanaged.append(pod.metadata.name)
            elif owner.uid not in seen:
                seen.add(owner.uid)
                top, count = self._scale_of(pod, owner)
                scales[top] = count
        if unmanaged:
            named = " ".join(unmanaged)
            self._recorder.event(
                budget,
                "Warning",
                "UnmanagedPods",
                f'Pods selected by this PodDisruptionBudget (selector: "{from_label_selector(budget.spec.selector)}") '
                "were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which "
                "may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field "
                f"of the PDB to an integer value. Pods: [{named}]",
            )  # fmt: skip
        return sum(scales.values())

    def _scale_of(self, pod: Pod, owner: OwnerReference) -> tuple[str, int]:
        """The UID of the topmost controller and the number of pods it wants."""
        known = self._known(owner.uid)
        if isinstance(known, ReplicaSet) and (above := controller_of(known)) is not None:
            return self._scale_of(pod, above)
        if known is not None:
            return known.metadata.uid, known.spec.replicas or 0
        return self._asked(pod, owner)

    def _known(self, uid: str) -> Any:
        found = (item for informer in self._scaled for item in informer.indexed(BY_UID, uid))
        return next(iter(found), None)

    def _asked(self, pod: Pod, owner: OwnerReference) -> tuple[str, int]:
        """By the scale subresource of whatever kind it is."""
        resource = find_kind(owner.api_version, owner.kind)
        if resource is None:
            raise _NoScale(f'no matches for kind "{owner.kind}" in version "{owner.api_version}"')
        path = resource.path(pod.metadata.namespace, owner.name, "scale")
        try:
            scale = decode(self._client.transport.request("GET", path), Scale)
        except (NotFound, MethodNotAllowed, msgspec.MsgspecError) as error:
            if resource.scale:
                raise _NoScale(f'found no controllers for pod "{pod.metadata.name}"') from error
            raise _NoScale(f"{resource.qualified} does not implement the scale subresource") from error
        if scale.metadata.uid != owner.uid:
            raise _NoScale(f'found no controllers for pod "{pod.metadata.name}"')
        return owner.uid, scale.spec.replicas


def _seen(pod: Pod) -> tuple[object, ...]:
    """All of a pod that budgets depend on."""
    owner = controller_of(pod)
    return pod.metadata.labels, pod.metadata.deletion_timestamp is None, is_ready(pod), owner and owner.uid
