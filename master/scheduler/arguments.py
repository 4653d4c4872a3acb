"""The arguments of filters and scores (`pluginConfig`): what each may say, and what comes of it.

What would have no effect here is refused by name, but for two that only bound how long something takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from api.core.affinity import NodeAffinity, TopologySpreadConstraint
from api.placement import selects, term_holds
from api.struct import wire_name
from master.scheduler.filters import Filter, Refusal, resources
from master.scheduler.nodestate import NodeState
from master.scheduler.scores import MAX, Score, preferred_affinity
from master.scheduler.strategies import Worth, balanced, fit, least, most, ratio
from master.scheduler.wish import Wish

FIT = "NodeResourcesFit"
ARGS_VERSION = "kubescheduler.config.k8s.io/v1"
_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
_Weight = Annotated[int, msgspec.Meta(ge=1, le=100)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
NOT_ALLOWED_HERE = Refusal(("node(s) didn't match scheduler-enforced node affinity",))


class _Args(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """Arguments; what they are for may be said in them again."""

    api_version: Literal["kubescheduler.config.k8s.io/v1", ""] = ""
    kind: str = ""


class ResourceWeight(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    weight: _Weight = 1


class ShapePoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    utilization: _Percent
    score: Annotated[int, msgspec.Meta(ge=0, le=10)]


class Ratio(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    shape: Annotated[list[ShapePoint], msgspec.Meta(min_length=1)]


class ScoringStrategy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    type: Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"] = "LeastAllocated"
    resources: list[ResourceWeight] = []
    requested_to_capacity_ratio: Ratio | None = None


class NodeResourcesFitArgs(_Args):
    ignored_resources: list[str] = []
    ignored_resource_groups: list[str] = []
    scoring_strategy: ScoringStrategy | None = None


class NodeResourcesBalancedAllocationArgs(_Args):
    resources: list[ResourceWeight] = []


class NodeAffinityArgs(_Args):
    added_affinity: NodeAffinity | None = None


class InterPodAffinityArgs(_Args):
    hard_pod_affinity_weight: _Percent = 1
    ignore_preferred_terms_of_existing_pods: bool = False


class DefaultConstraint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """A topology spread constraint of pods that have none. Which pods count is found out for each."""

    max_skew: Annotated[int, msgspec.Meta(ge=1)]
    topology_key: Annotated[str, msgspec.Meta(min_length=1)]
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    min_domains: Annotated[int, msgspec.Meta(ge=1)] | None = None
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    node_taints_policy: Literal["Honor", "Ignore"] | None = None
    match_label_keys: list[str] = []


class PodTopologySpreadArgs(_Args):
    default_constraints: list[DefaultConstraint] = []
    defaulting_type: Literal["System", "List"] = "System"


class DefaultPreemptionArgs(_Args):
    min_candidate_nodes_percentage: _Percent = 10
    min_candidate_nodes_absolute: _Count = 100


class VolumeBindingArgs(_Args):
    bind_timeout_seconds: _Count = 600


@dataclass(frozen=True, slots=True)
class Tuning:
    """A profile's arguments at work. ``fuller_is_better``: a node may be worth more for what it got since.

    preemption: of how many nodes at least the one of least harm is sought, as a number and in percent.
    """

    filters: Mapping[str, Callable[[Filter], Filter]]
    scores: Mapping[str, Callable[[Score], Score]]
    without_scores: frozenset[str] = frozenset()
    hard_affinity: int = 1
    others_wishes: bool = True
    preemption: tuple[int, int] = (100, 10)
    fuller_is_better: bool = False
    default_spread: tuple[TopologySpreadConstraint, ...] = ()

    def of_filter(self, one: Filter) -> Filter:
        act = self.filters.get(one.name)
        return act(one) if act is not None else one

    def of_score(self, one: Score) -> Score:
        act = self.scores.get(one.name)
        return act(one) if act is not None else one


NO_TUNING = Tuning({}, {})


def _fit(found: NodeResourcesFitArgs, known: Tuning) -> Tuning:
    ignored, groups = frozenset(found.ignored_resources), tuple(f"{one}/" for one in found.ignored_resource_groups)
    filters, scores = dict(known.filters), dict(known.scores)
    if ignored or groups:
        check = partial(_resources_but, lambda name: name in ignored or name.startswith(groups))
        filters["NodeResourcesFit"] = lambda one: replace(one, check=check)
    strategy = found.scoring_strategy
    if strategy is None:
        return replace(known, filters=filters)
    weights = {one.name: one.weight for one in strategy.resources} or {"cpu": 1, "memory": 1}
    worth = _worth(strategy)
    scores["NodeResourcesFit"] = lambda one: replace(one, rate=fit(worth, weights))
    return replace(known, filters=filters, scores=scores, fuller_is_better=strategy.type != "LeastAllocated")


def _resources_but(ignored: Callable[[str], bool], wish: Wish, state: NodeState) -> Refusal | None:
    """What is short, but for some extended resources that somebody else counts."""
    found = resources(wish, state)
    if found is None:
        return None
    wanted = wish.shape.requests
    short = [name for name in wanted if f"Insufficient {name}" in found.reasons and not ignored(name)]
    others = tuple(reason for reason in found.reasons if not reason.startswith("Insufficient "))
    curable = all(wanted[name] <= state.allocatable.get(name, 0) for name in short)
    reasons = (*others, *(f"Insufficient {name}" for name in short))
    return Refusal(reasons, curable) if reasons else None


def _worth(strategy: ScoringStrategy) -> Worth:
    if strategy.type == "RequestedToCapacityRatio":
        return ratio(_points(strategy))
    if strategy.requested_to_capacity_ratio is not None:
        raise ValueError(f"scoringStrategy.requestedToCapacityRatio: is not for type {strategy.type}")
    return most if strategy.type == "MostAllocated" else least


def _points(strategy: ScoringStrategy) -> list[tuple[float, float]]:
    found = strategy.requested_to_capacity_ratio
    if found is None:
        raise ValueError("scoringStrategy.requestedToCapacityRatio: is missing")
    points = [(float(one.utilization), one.score * MAX / 10) for one in found.shape]
    if any(right <= left for (left, _), (right, _) in pairwise(points)):
        raise ValueError("scoringStrategy.requestedToCapacityRatio.shape: utilization must rise from point to point")
    return points


def _balanced(found: NodeResourcesBalancedAllocationArgs, known: Tuning) -> Tuning:
    names = [one.name for one in found.resources]
    if any(one.weight != 1 for one in found.resources):
        raise ValueError("resources: each weight must be 1")
    if not names:
        return known
    made = {"NodeResourcesBalancedAllocation": lambda one: replace(one, rate=balanced(names))}
    return replace(known, scores={**known.scores, **made})


def _node_affinity(found: NodeAffinityArgs, known: Tuning) -> Tuning:
    added = found.added_affinity
    if added is None:
        return known
    required = added.required_during_scheduling_ignored_during_execution
    preferred = added.preferred_during_scheduling_ignored_during_execution

    def narrowed(one: Filter) -> Filter:
        def check(wish: Wish, state: NodeState) -> Refusal | None:
            if required is not None and not selects(required, state.name, state.labels):
                return NOT_ALLOWED_HERE
            return one.check(wish, state)

        return replace(one, check=check)

    def rate(wish: Wish, state: NodeState) -> float:
        own = preferred_affinity(wish, state)
        held = [(term.weight, term.preference) for term in preferred if term.preference is not None]
        won = sum(weight for weight, term in held if term_holds(term, state.name, state.labels))
        return (own + MAX * won / sum(weight for weight, _ in held)) / 2 if held else own

    filters = {**known.filters, "NodeAffinity": narrowed}
    return replace(known, filters=filters, scores={**known.scores, "NodeAffinity": lambda one: replace(one, rate=rate)})


def _neighbours(found: InterPodAffinityArgs, known: Tuning) -> Tuning:
    return replace(
        known,
        hard_affinity=found.hard_pod_affinity_weight,
        others_wishes=not found.ignore_preferred_terms_of_existing_pods,
    )


def _spread(found: PodTopologySpreadArgs, known: Tuning) -> Tuning:
    """By default the pods of a controller are spread by a score; a list goes into its place, also an empty one."""
    listed = found.default_constraints
    if found.defaulting_type == "System":
        if listed:
            raise ValueError("defaultConstraints: are only taken with defaultingType List")
        return known
    for at, one in enumerate(listed):
        if (one.topology_key, one.when_unsatisfiable) in [
            (other.topology_key, other.when_unsatisfiable) for other in listed[:at]
        ]:
            raise ValueError(f"defaultConstraints[{at}]: {one.topology_key} with {one.when_unsatisfiable} stands twice")
        if one.min_domains is not None and one.when_unsatisfiable != "DoNotSchedule":
            raise ValueError(f"defaultConstraints[{at}].minDomains: is only taken with DoNotSchedule")
    made = tuple(TopologySpreadConstraint(**msgspec.structs.asdict(one)) for one in listed)
    return replace(known, without_scores=known.without_scores | {"SelectorSpread"}, default_spread=made)


def _preemption(found: DefaultPreemptionArgs, known: Tuning) -> Tuning:
    return replace(known, preemption=(found.min_candidate_nodes_absolute, found.min_candidate_nodes_percentage))


def _volumes(_: VolumeBindingArgs, known: Tuning) -> Tuning:
    """Nothing here waits for a volume: the pod's turn comes again when it is bound."""
    return known


_ALL: dict[str, tuple[type[Any], Callable[[Any, Tuning], Tuning]]] = {
    "NodeResourcesFit": (NodeResourcesFitArgs, _fit),
    "NodeResourcesBalancedAllocation": (NodeResourcesBalancedAllocationArgs, _balanced),
    "NodeAffinity": (NodeAffinityArgs, _node_affinity),
    "InterPodAffinity": (InterPodAffinityArgs, _neighbours),
    "PodTopologySpread": (PodTopologySpreadArgs, _spread),
    "DefaultPreemption": (DefaultPreemptionArgs, _preemption),
    "VolumeBinding": (VolumeBindingArgs, _volumes),
}


def tuned(name: str, args: Any, known: Tuning) -> Tuning:
    """With one plugin's arguments as well. Raises ValueError that says what is wrong and where."""
    if name not in _ALL:
        raise ValueError(f"name: {name!r} takes no arguments; those that do are {', '.join(sorted(_ALL))}")
    kind, act = _ALL[name]
    try:
        found = msgspec.convert(args or {}, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"args: {error}") from error
    if found.kind not in ("", kind.__name__):
        raise ValueError(f"args.kind: must be {kind.__name__}, is {found.kind}")
    try:
        return act(found, known)
    except ValueError as error:
        raise ValueError(f"args.{error}") from error
