"""What is told of a deployment: how many pods of which template, and whether the rollout gets anywhere. Worked out
purely from its replica sets.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from api.apps import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet
from api.scalars import now
from master.controllers.replicafailure import FAILURE, with_failure
from master.controllers.rollout import bounds, size

_DEADLINE = "ProgressDeadlineExceeded"


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
    why = next((_why(item) for item in ([new] if new is not None else []) + list(old) if _why(item)), None)
    failed = with_failure(DeploymentCondition, deployment.status.conditions, why, moment)
    status.conditions = conditions + [one for one in failed if one.type == FAILURE]
    return status


def _why(item: ReplicaSet) -> tuple[str, str] | None:
    return next(((one.reason, one.message) for one in item.status.conditions if one.type == FAILURE), None)


def with_progress(deployment: Deployment, status: str, reason: str, message: str, moment: datetime) -> DeploymentStatus:
    """The status with another condition ``Progressing``, and all else as it was."""
    others = [one for one in deployment.status.conditions if one.type != "Progressing"]
    made = _condition(deployment, "Progressing", status, reason, message, moment)
    return msgspec.structs.replace(deployment.status, conditions=[*others, made])


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


def until_deadline(deployment: Deployment, status: DeploymentStatus) -> float:
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
