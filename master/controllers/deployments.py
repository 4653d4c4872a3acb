"""Deployment controller: keeps a replica set for each template, and moves pods from the old ones to the newest."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from api.apps import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetSpec
from api.errors import AlreadyExists, NotFound
from api.meta import LabelSelector, ObjectMeta
from api.scalars import now
from api.selectors import from_label_selector
from client import Client, EventRecorder
from master.controllers.informers import BY_NAMESPACE, BY_OWNER, Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import controller_of, reference
from master.controllers.rollout import (
    HASH_LABEL,
    REVISION,
    bounds,
    is_current,
    next_sizes,
    revision,
    size,
    template_hash,
)

_DEADLINE = "ProgressDeadlineExceeded"


class DeploymentController:
    """Acts on what ``rollout`` says."""

    name = "deployment"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, *, workers: int = 1) -> None:
        self._client = client
        self._deployments = informers.deployments
        self._sets = informers.replica_sets
        self._recorder = recorder
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self._deployments.add_listener(self._deployment_changed)
        self._sets.add_listener(self._set_changed)

    def _deployment_changed(self, old: Deployment | None, new: Deployment | None) -> None:
        item = new or old
        if item is not None:
            self.loop.queue.add((item.metadata.namespace, item.metadata.name))

    def _set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for item in (old, new):
            owner = controller_of(item) if item is not None else None
            if item is not None and owner is not None and owner.kind == "Deployment":
                self.loop.queue.add((item.metadata.namespace, owner.name))

    def reconcile(self, key: Key) -> str:
        deployment = self._deployments.get(*key)
        if deployment is None or deployment.metadata.deletion_timestamp is not None:
            return ""
        if deployment.spec.template is None or deployment.spec.selector is None:
            return ""
        sets = self._claim(deployment)
        new = next((item for item in sets if is_current(item, deployment)), None)
        old = [item for item in sets if item is not new]
        if deployment.spec.paused:
            self._report(deployment, new, old)
            return ""
        if new is None:
            return self._begin(deployment, old)
        said = self._mark(deployment, new, old) or self._resize(deployment, new, old)
        self._forget_history(deployment, old)
        self._report(deployment, new, old)
        return said

    def _claim(self, deployment: Deployment) -> list[ReplicaSet]:
        """The deployment's replica sets, oldest first; ones without an owner that match are adopted."""
        selector = from_label_selector(deployment.spec.selector)
        mine = [
            item
            for item in self._sets.indexed(BY_OWNER, deployment.metadata.uid)
            if item.metadata.deletion_timestamp is None
        ]
        for item in self._sets.indexed(BY_NAMESPACE, deployment.metadata.namespace):
            if controller_of(item) is None and selector.matches(item.metadata.labels):
                owners = [reference(deployment)]
                mine.append(self._patch_set(item, {"metadata": {"uid": item.metadata.uid, "ownerReferences": owners}}))
        return sorted(mine, key=lambda item: (revision(item), str(item.metadata.creation_timestamp)))

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
                annotations={REVISION: str(number)},
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
        try:
            self._client.create(made)
        except AlreadyExists:
            return self._collided(deployment, made.metadata.name)
        return f"made replica set {made.metadata.name}"

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
        if revision(new) <= highest:
            self._patch_set(new, {"metadata": {"annotations": {REVISION: str(highest + 1)}}})
            return f"marked {new.metadata.name} as revision {highest + 1}"
        shown = str(revision(new))
        if deployment.metadata.annotations.get(REVISION) != shown:
            patch = {"metadata": {"annotations": {REVISION: shown}}}
            self._client.patch(Deployment, deployment.metadata.name, deployment.metadata.namespace, patch, form="merge")
            return f"is at revision {shown}"
        return ""

    def _resize(self, deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> str:
        sizes = next_sizes(deployment, new, old)
        for item in (new, *old):
            wanted = sizes.get(item.metadata.name)
            if wanted is None or wanted == size(item):
                continue
            self._patch_set(item, {"metadata": {"uid": item.metadata.uid}, "spec": {"replicas": wanted}})
            verb = "up" if wanted > size(item) else "down"
            said = f"Scaled {verb} replica set {item.metadata.name} from {size(item)} to {wanted}"
            self._recorder.event(deployment, "Normal", "ScalingReplicaSet", said)
        return f"sized {sizes}" if sizes else ""

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
        if waits_s := _until_deadline(deployment, status):
            self.loop.queue.add_after((deployment.metadata.namespace, deployment.metadata.name), waits_s)
        if status != deployment.status:
            self._client.update_status(msgspec.structs.replace(deployment, status=status))


def status_of(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], moment: datetime
) -> DeploymentStatus:
    """The status that the replica sets add up to."""
    sets = [*old, new] if new is not None else list(old)
    wanted = deployment.spec.replicas or 0
    available = sum(item.status.available_replicas for item in sets)
    status = msgspec.structs.replace(
        deployment.status,
        observed_generation=deployment.metadata.generation,
        replicas=sum(item.status.replicas for item in sets),
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(item.status.ready_replicas for item in sets),
        available_replicas=available,
        unavailable_replicas=max(sum(size(item) for item in sets) - available, 0),
    )
    enough = available >= wanted - bounds(deployment).unavailable
    conditions = [
        _condition(
            deployment,
            "Available",
            "True" if enough else "False",
            "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            f"Deployment {'has' if enough else 'does not have'} minimum availability.",
            moment,
        ),
        _progress(deployment, status, new, moment),
    ]
    status.conditions = conditions
    return status


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = deployment.spec.replicas or 0
    return status.updated_replicas == wanted == status.replicas == status.available_replicas


def _progress(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, moment: datetime
) -> DeploymentCondition:
    before = _before(deployment, "Progressing")
    if deployment.spec.paused:
        said = "Deployment is paused"
        return _condition(deployment, "Progressing", "Unknown", "DeploymentPaused", said, moment)
    name = new.metadata.name if new is not None else ""
    if is_complete(deployment, status):
        said = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition(deployment, "Progressing", "True", "NewReplicaSetAvailable", said, moment)
    moved = _moved(deployment.status, status) or before is None or before.reason == "NewReplicaSetAvailable"
    if not moved and before is not None:
        if _is_late(deployment, before, moment):
            said = f'ReplicaSet "{name}" has timed out progressing.'
            return _condition(deployment, "Progressing", "False", _DEADLINE, said, moment)
        return before
    said = f'ReplicaSet "{name}" is progressing.'
    made = _condition(deployment, "Progressing", "True", "ReplicaSetUpdated", said, moment)
    return msgspec.structs.replace(made, last_update_time=moment)


def _moved(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    """Whether the rollout has got anywhere since the last look."""
    return (
        after.updated_replicas > before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.observed_generation > before.observed_generation
    )


def _is_late(deployment: Deployment, before: DeploymentCondition, moment: datetime) -> bool:
    limit_s = deployment.spec.progress_deadline_seconds or 600
    since = before.last_update_time or moment
    return before.reason == _DEADLINE or (moment - since).total_seconds() >= limit_s


def _until_deadline(deployment: Deployment, status: DeploymentStatus) -> float:
    """Seconds until the rollout counts as stuck; 0 when nothing is to be waited for."""
    progress = next((item for item in status.conditions if item.type == "Progressing"), None)
    if progress is None or progress.reason != "ReplicaSetUpdated" or progress.last_update_time is None:
        return 0.0
    limit_s = deployment.spec.progress_deadline_seconds or 600
    return max(limit_s - (now() - progress.last_update_time).total_seconds(), 0.0) + 1.0


def _before(deployment: Deployment, kind: str) -> DeploymentCondition | None:
    return next((item for item in deployment.status.conditions if item.type == kind), None)


def _condition(
    deployment: Deployment, kind: str, status: str, reason: str, message: str, moment: datetime
) -> DeploymentCondition:
    """A condition; its times change only with its status or its words."""
    before = _before(deployment, kind)
    if before is not None and (before.status, before.reason, before.message) == (status, reason, message):
        return before
    since = before.last_transition_time if before is not None and before.status == status else moment
    return DeploymentCondition(
        type=kind,
        status=status,
        last_update_time=moment,
        last_transition_time=since,
        reason=reason,
        message=message,
    )
