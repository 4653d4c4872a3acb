"""How a deployment goes from old pods to new ones: sizes of its replica sets, worked out purely.

Source of the rules: the documentation of Deployments (rolling update, maxSurge, maxUnavailable, Recreate).
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from api.apps import Deployment, ReplicaSet, RollingUpdateDeployment
from api.codec import decode, encode
from api.core import PodTemplateSpec
from api.defaulting import complete_for_pods
from api.rollouts import HASH_LABEL, REVISION
from api.scalars import whole_number

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many pods a rolling update may have too many, and too few."""

    surge: int
    unavailable: int


def bounds(deployment: Deployment) -> Bounds:
    """Shares are of the wanted number: surge is rounded up, unavailable down; both 0 would never move, so one may
    go."""
    strategy = deployment.spec.strategy
    rolling = (strategy.rolling_update if strategy is not None else None) or RollingUpdateDeployment()
    wanted = deployment.spec.replicas or 0
    surge = _number(rolling.max_surge, wanted, up=True)
    unavailable = _number(rolling.max_unavailable, wanted, up=False)
    return Bounds(surge, unavailable if surge or unavailable else 1)


def _number(value: int | str | None, wanted: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int((value or "25%").rstrip("%")) * wanted / 100
    return math.ceil(share) if up else math.floor(share)


def bare_template(template: PodTemplateSpec) -> PodTemplateSpec:
    """A template without the hash that marks the pods of one replica set."""
    labels = {key: value for key, value in template.metadata.labels.items() if key != HASH_LABEL}
    return msgspec.structs.replace(template, metadata=msgspec.structs.replace(template.metadata, labels=labels))


def template_hash(template: PodTemplateSpec, collisions: int = 0) -> str:
    """Ten letters that stand for a template; another ten after each collision."""
    digest = hashlib.sha256(encode(bare_template(template)) + b"%d" % collisions).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])


def is_current(replica_set: ReplicaSet, deployment: Deployment) -> bool:
    """Whether a replica set makes the pods that the deployment wants now."""
    wanted, made = deployment.spec.template, replica_set.spec.template
    return wanted is not None and made is not None and bare_template(made) == bare_template(wanted)


def current_of(sets: Sequence[ReplicaSet], deployment: Deployment) -> ReplicaSet | None:
    """The replica set of the present template; or else one whose pods are the same, as of a template from a time in
    which more was filled in."""
    exact = next((item for item in sets if is_current(item, deployment)), None)
    if exact is not None or deployment.spec.template is None:
        return exact
    wanted = _as_of_pods(deployment.spec.template)
    made = ((item, item.spec.template) for item in sets)
    return next((item for item, template in made if template is not None and _as_of_pods(template) == wanted), None)


def _as_of_pods(template: PodTemplateSpec) -> PodTemplateSpec:
    completed = decode(encode(bare_template(template)), PodTemplateSpec)
    complete_for_pods(completed.spec)
    return completed


def revision(replica_set: ReplicaSet) -> int:
    return whole_number(replica_set.metadata.annotations.get(REVISION, "")) or 0


def size(replica_set: ReplicaSet) -> int:
    return replica_set.spec.replicas or 0


def is_recreated(deployment: Deployment) -> bool:
    """Whether all old pods end before the first new one is made."""
    strategy = deployment.spec.strategy
    return strategy is not None and strategy.type == "Recreate"


def next_sizes(
    deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet], *, old_runs: bool = False
) -> dict[str, int]:
    """The size that each replica set should have next, by name; only those that change.

    old: the other replica sets, oldest first. old_runs: whether a pod of theirs has not ended yet; replica sets do not
    count those on their way out.
    """
    wanted = deployment.spec.replicas or 0
    if is_recreated(deployment):
        return _recreate(wanted, new, old, old_runs=old_runs)
    limits = bounds(deployment)
    sizes = _grow(wanted, limits.surge, new, old)
    return sizes or _shrink(wanted, limits.unavailable, new, old)


def _recreate(wanted: int, new: ReplicaSet, old: Sequence[ReplicaSet], *, old_runs: bool) -> dict[str, int]:
    """Nothing new before everything old is gone."""
    sizes = {item.metadata.name: 0 for item in old if size(item)}
    if sizes or old_runs or any(item.status.replicas for item in old):
        return sizes
    return {new.metadata.name: wanted} if size(new) != wanted else {}


def _grow(wanted: int, surge: int, new: ReplicaSet, old: Sequence[ReplicaSet]) -> dict[str, int]:
    if size(new) >= wanted:
        return {new.metadata.name: wanted} if size(new) > wanted else {}
    total = size(new) + sum(size(item) for item in old)
    room = wanted + surge - total
    return {new.metadata.name: min(wanted, size(new) + room)} if room > 0 else {}


def _shrink(wanted: int, unavailable: int, new: ReplicaSet, old: Sequence[ReplicaSet]) -> dict[str, int]:
    """Old pods that are not available go first; available ones only while enough stay."""
    sizes = {item.metadata.name: size(item) for item in old}
    spare = size(new) + sum(sizes.values()) - (wanted - unavailable) - (size(new) - new.status.available_replicas)
    for item in old:
        sick = max(size(item) - item.status.available_replicas, 0)
        gone = min(sick, max(spare, 0))
        sizes[item.metadata.name] -= gone
        spare -= gone
    available = new.status.available_replicas + sum(item.status.available_replicas for item in old)
    spare = available - (wanted - unavailable)
    for item in old:
        gone = min(sizes[item.metadata.name], max(spare, 0))
        sizes[item.metadata.name] -= gone
        spare -= gone
    return {item.metadata.name: sizes[item.metadata.name] for item in old if sizes[item.metadata.name] != size(item)}
