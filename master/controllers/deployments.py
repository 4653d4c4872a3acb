"""Deployment controller: keeps a replica set for each template, and moves pods from the old ones to the newest."""

from collections.abc import Sequence
from typing import Any

import msgspec

from api.apps import Deployment, ReplicaSet, ReplicaSetSpec
from api.core import Pod
from api.errors import AlreadyExists, ApiError, NotFound
from api.meta import LabelSelector, ObjectMeta
from api.rollouts import HASH_LABEL, HISTORY, OWN, REVISION
from api.scalars import now
from api.selectors import from_label_selector
from client import Client, EventRecorder
from master.controllers.claiming import claim
from master.controllers.deploymentstatus import status_of, until_deadline, with_progress
from master.controllers.informers import BY_NAMESPACE, BY_OWNER, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import controller_of, reference
from master.controllers.pods import has_ended
from master.controllers.replicafailure import is_terminating
from master.controllers.rollout import (
    current_of,
    is_current,
    is_recreated,
    next_sizes,
    revision,
    size,
    template_hash,
)
from master.controllers.scaling import is_rescaled, shares, size_marks


class DeploymentController:
    """Acts on what ``rollout`` says."""

    name = "deployment"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, *, workers: int = 1) -> None:
        self._client = client
        self._deployments = informers.deployments
        self._sets = informers.replica_sets
        self._pods = informers.pods
        self._recorder = recorder
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self.loop.follow(self._deployments)
        self._sets.add_listener(self._set_changed)
        self._pods.add_listener(self._pod_changed)

    def _set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for item in (old, new):
            owner = controller_of(item) if item is not None else None
            if item is not None and owner is not None and owner.kind == "Deployment":
                self.loop.queue.add((item.metadata.namespace, owner.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """The last old pod of a Recreate has ended: its replica set did not count it any more, and does not change."""
        if old is None or (new is not None and not has_ended(new)):
            return
        owner = controller_of(old)
        if owner is None or owner.kind != "ReplicaSet":
            return
        replica_set = self._sets.get(old.metadata.namespace, owner.name)
        above = controller_of(replica_set) if replica_set is not None else None
        deployment = self._deployments.get(old.metadata.namespace, above.name) if above is not None else None
        if deployment is not None and is_recreated(deployment):
            self.loop.queue.add((deployment.metadata.namespace, deployment.metadata.name))

    def reconcile(self, key: Key) -> str:
        deployment = self._deployments.get(*key)
        if deployment is None or deployment.metadata.deletion_timestamp is not None:
            return ""
        if deployment.spec.template is None or deployment.spec.selector is None:
            return ""
        sets = self._claim(deployment)
        new = current_of(sets, deployment)
        old = [item for item in sets if item is not new]
        if is_rescaled(deployment, sets) or deployment.spec.paused:
            said = self._resize(deployment, shares(deployment, new, old), [*old, new] if new is not None else old)
            self._report(deployment, new, old)
            return said
        if new is None:
            return self._begin(deployment, old)
        said = self._mark(deployment, new, old)
        said = said or self._resize(deployment, self._next_sizes(deployment, new, old), [new, *old])
        self._forget_history(deployment, old)
        self._report(deployment, new, old)
        return said

    def _claim(self, deployment: Deployment) -> list[ReplicaSet]:
        """The deployment's replica sets, oldest first; ones without an owner that match are adopted, ones that match
        no more are released.
        """
        owned, loose = (
            [item for item in self._sets.indexed(index, of) if item.metadata.deletion_timestamp is None]
            for index, of in ((BY_OWNER, deployment.metadata.uid), (BY_NAMESPACE, deployment.metadata.namespace))
        )
        mine = claim(self._client, deployment, from_label_selector(deployment.spec.selector), owned, loose)
        return sorted(mine, key=lambda item: (revision(item), str(item.metadata.creation_timestamp)))

    def _next_sizes(self, deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> dict[str, int]:
        pods = (pod for item in old for pod in self._pods.indexed(BY_OWNER, item.metadata.uid))
        return next_sizes(deployment, new, old, old_runs=is_recreated(deployment) and not all(map(has_ended, pods)))

    def _patch_set(self, item: ReplicaSet, patch: dict[str, Any]) -> ReplicaSet:
        return self._client.patch(ReplicaSet, item.metadata.name, item.metadata.namespace, patch)

    def _begin(self, deployment: Deployment, old: Sequence[ReplicaSet]) -> str:
        """Makes the replica set of a template that has none."""
        template, selector = deployment.spec.template, deployment.spec.selector
        if template is None or selector is None:
            return ""
        mark = template_hash(template, deployment.status.collision_count or 0)
        labels = {**template.metadata.labels, HASH_LABEL: mark}
        number = max((revision(item) for item in old), default=0) + 1
        made = ReplicaSet(
            metadata=ObjectMeta(
                name=f"{deployment.metadata.name}-{mark}",
                namespace=deployment.metadata.namespace,
                labels=labels,
                annotations={**_passed_on(deployment), **size_marks(deployment), REVISION: str(number)},
                owner_references=[reference(deployment)],
            ),
            spec=ReplicaSetSpec(
                replicas=0,
                min_ready_seconds=deployment.spec.min_ready_seconds,
                selector=LabelSelector(
                    match_labels={**selector.match_labels, HASH_LABEL: mark},
                    match_expressions=selector.match_expressions,
                ),
                template=msgspec.structs.replace(
                    template, metadata=msgspec.structs.replace(template.metadata, labels=labels)
                ),
            ),
        )
        made.spec.replicas = self._next_sizes(deployment, made, old).get(made.metadata.name, 0)
        try:
            self._client.create(made)
        except AlreadyExists:
            return self._collided(deployment, made.metadata.name)
        except ApiError as error:
            if is_terminating(error):
                # All of this goes with its namespace: that is no fault, and not to be tried again.
                return ""
            self._not_made(deployment, f'Failed to create new replica set "{made.metadata.name}": {error}')
            raise
        if size(made):
            self._scaled(deployment, made.metadata.name, 0, size(made))
        return f"made replica set {made.metadata.name}"

    def _not_made(self, deployment: Deployment, said: str) -> None:
        status = with_progress(deployment, "False", "ReplicaSetCreateError", said, now())
        if status != deployment.status:
            self._client.update_status(msgspec.structs.replace(deployment, status=status))
        self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", said)

    def _collided(self, deployment: Deployment, name: str) -> str:
        """The name is taken: by our own set, not seen yet; or by another, and then the next hash is tried."""
        existing = self._client.get(ReplicaSet, name, deployment.metadata.namespace)
        owner = controller_of(existing)
        if owner is not None and owner.uid == deployment.metadata.uid and is_current(existing, deployment):
            return ""
        status = msgspec.structs.replace(
            deployment.status, collision_count=(deployment.status.collision_count or 0) + 1
        )
        self._client.update_status(msgspec.structs.replace(deployment, status=status))
        return f"name {name} is taken"

    def _mark(self, deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> str:
        """The newest set has the highest revision, also when it is an old one to which the deployment went back."""
        highest = max((revision(item) for item in old), default=0)
        has = new.metadata.annotations
        wanted = {**_passed_on(deployment), REVISION: has.get(REVISION, "0")}
        if revision(new) <= highest:
            wanted[REVISION] = str(highest + 1)
            if revision(new):
                wanted[HISTORY] = ",".join(one for one in (has.get(HISTORY), has[REVISION]) if one)
        patch: dict[str, Any] = {"metadata": {"annotations": wanted}} if not wanted.items() <= has.items() else {}
        if new.spec.min_ready_seconds != deployment.spec.min_ready_seconds:
            patch["spec"] = {"minReadySeconds": deployment.spec.min_ready_seconds}
        if patch:
            self._patch_set(new, patch)
            return f"marked {new.metadata.name} as revision {wanted[REVISION]}"
        shown = str(revision(new))
        if deployment.metadata.annotations.get(REVISION) != shown:
            patch = {"metadata": {"annotations": {REVISION: shown}}}
            self._client.patch(Deployment, deployment.metadata.name, deployment.metadata.namespace, patch, form="merge")
            return f"is at revision {shown}"
        return ""

    def _resize(self, deployment: Deployment, sizes: dict[str, int], sets: Sequence[ReplicaSet]) -> str:
        """Sizes and marks the replica sets that have pods, or will."""
        marks = size_marks(deployment)
        for item in sets:
            wanted = sizes.get(item.metadata.name, size(item))
            if wanted == size(item) and (not wanted or marks.items() <= item.metadata.annotations.items()):
                continue
            patch = {"metadata": {"uid": item.metadata.uid, "annotations": marks}, "spec": {"replicas": wanted}}
            self._patch_set(item, patch)
            if wanted != size(item):
                self._scaled(deployment, item.metadata.name, size(item), wanted)
        return f"sized {sizes}" if sizes else ""

    def _scaled(self, deployment: Deployment, name: str, before: int, after: int) -> None:
        said = f"Scaled {'up' if after > before else 'down'} replica set {name} from {before} to {after}"
        self._recorder.event(deployment, "Normal", "ScalingReplicaSet", said)

    def _forget_history(self, deployment: Deployment, old: Sequence[ReplicaSet]) -> None:
        limit = deployment.spec.revision_history_limit
        empty = [item for item in old if not size(item) and not item.status.replicas]
        for item in empty[: max(len(empty) - (10 if limit is None else limit), 0)]:
            try:
                self._client.delete(ReplicaSet, item.metadata.name, item.metadata.namespace, uid=item.metadata.uid)
            except NotFound:
                continue

    def _report(self, deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> None:
        status = status_of(deployment, new, old, now())
        if waits_s := until_deadline(deployment, status):
            self.loop.queue.add_after((deployment.metadata.namespace, deployment.metadata.name), waits_s)
        if status != deployment.status:
            self._client.update_status(msgspec.structs.replace(deployment, status=status))


def _passed_on(deployment: Deployment) -> dict[str, str]:
    """The annotations that the newest replica set gets too: among them the cause of the change, which the history of
    rollouts shows."""
    return {key: value for key, value in deployment.metadata.annotations.items() if key not in OWN}
