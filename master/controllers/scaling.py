"""A deployment that was given another size while several of its replica sets have pods: each of them grows or shrinks
by its share, so that neither the old nor the new template bears the whole change. Worked out purely.

The size for which a replica set was made stands in its annotations, Kubernetes' own; that is how a new wish is told
from a rollout under way.
"""

from collections.abc import Sequence

from api.apps import Deployment, ReplicaSet
from api.rollouts import DESIRED, MOST
from api.scalars import whole_number
from master.controllers.rollout import bounds, is_recreated, revision, size


def size_marks(deployment: Deployment) -> dict[str, str]:
    """The annotations of each replica set that has pods."""
    wanted = deployment.spec.replicas or 0
    return {DESIRED: str(wanted), MOST: str(wanted + _surge(deployment))}


def is_rescaled(deployment: Deployment, sets: Sequence[ReplicaSet]) -> bool:
    """Whether the deployment wants another number than its replica sets with pods were sized for."""
    wanted = deployment.spec.replicas or 0
    return any(_marked(item, DESIRED) not in (None, wanted) for item in sets if size(item))


def shares(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> dict[str, int]:
    """The size of each replica set for the new wish, by name; only those that change. ``old``: oldest first."""
    wanted = deployment.spec.replicas or 0
    sets = [*old, new] if new is not None else list(old)
    active = [item for item in sets if size(item)]
    if len(active) <= 1:
        only = [*active, *sets[-1:]][:1]
        return {item.metadata.name: wanted for item in only if size(item) != wanted}
    if is_recreated(deployment):
        return {}
    if new is not None and size(new) == wanted == new.status.available_replicas == _marked(new, DESIRED):
        return {item.metadata.name: 0 for item in active if item is not new}
    return _divided(deployment, active)


def _divided(deployment: Deployment, active: Sequence[ReplicaSet]) -> dict[str, int]:
    wanted = deployment.spec.replicas or 0
    most = wanted + _surge(deployment) if wanted else 0
    more = most - sum(size(item) for item in active)
    # Of equal sizes the newest grows first, and the oldest shrinks first.
    ranked = sorted(
        active, key=lambda item: (size(item), revision(item) if more > 0 else -revision(item)), reverse=True
    )
    sizes: dict[str, int] = {}
    left = more
    for item in ranked:
        before = _marked(item, MOST) or deployment.status.replicas or 1
        part = _rounded(size(item) * most, before) - size(item)
        part = max(0, min(part, left)) if more > 0 else min(0, max(part, left))
        sizes[item.metadata.name] = size(item) + part
        left -= part
    for name in sizes:
        rest = max(left, -sizes[name])
        sizes[name] += rest
        left -= rest
    return {item.metadata.name: sizes[item.metadata.name] for item in active if sizes[item.metadata.name] != size(item)}


def _rounded(amount: int, by: int) -> int:
    """Half goes up."""
    return (2 * amount + by) // (2 * by)


def _surge(deployment: Deployment) -> int:
    return 0 if is_recreated(deployment) else bounds(deployment).surge


def _marked(item: ReplicaSet, name: str) -> int | None:
    return whole_number(item.metadata.annotations.get(name, ""))
