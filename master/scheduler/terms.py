"""Which pods and nodes a term means: tolerations, and patterns of pods near or far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from api.core import Taint, Toleration
from api.core.affinity import Affinity, PodAffinityTerm, TopologySpreadConstraint
from api.placement import Labels
from api.selectors import Selector, Term, from_label_selector
from api.tolerations import tolerates


def tolerated(taint: Taint, tolerations: list[Toleration]) -> bool:
    """Whether a pod with these tolerations bears the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which pods: in one of these namespaces or one with such labels, and with such labels themselves."""

    namespaces: frozenset[str]
    spaces: Selector | None
    selector: Selector

    def matches(self, namespace: str, labels: Labels, spaces: Mapping[str, Labels]) -> bool:
        """``spaces`` are the labels of all namespaces."""
        if namespace not in self.namespaces and (
            self.spaces is None or not self.spaces.matches(spaces.get(namespace, {}))
        ):
            return False
        return self.selector.matches(labels)


@dataclass(frozen=True, slots=True)
class Near:
    """Pods, and the node label whose value says what is near to them. ``weight`` of a wish; below 0 to be far."""

    pattern: Pattern
    key: str
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """How evenly pods are spread over the values of a node label."""

    pattern: Pattern
    key: str
    max_skew: int
    min_domains: int
    only_eligible: bool
    only_tolerated: bool


@dataclass(frozen=True, slots=True)
class PodTerms:
    """All that a pod wants of its neighbourhood."""

    near: tuple[Near, ...] = ()
    far: tuple[Near, ...] = ()
    wishes: tuple[Near, ...] = ()
    spread: tuple[Spread, ...] = ()
    soft_spread: tuple[Spread, ...] = ()


NO_TERMS = PodTerms()


def label_keys(affinity: Affinity | None, spread: list[TopologySpreadConstraint]) -> tuple[str, ...]:
    """The labels of the pod itself on which its terms depend."""
    terms = [*_terms(affinity, near=True), *_terms(affinity, near=False)]
    terms += [term for _, term in _wishes(affinity)]
    keys = {key for term in terms for key in (*term.match_label_keys, *term.mismatch_label_keys)}
    return tuple(sorted(keys | {key for one in spread for key in one.match_label_keys}))


def pod_terms(
    affinity: Affinity | None, spread: list[TopologySpreadConstraint], namespace: str, labels: Labels
) -> PodTerms:
    """The terms of a pod with these labels in that namespace."""

    def near(term: PodAffinityTerm, weight: int = 0) -> Near:
        return Near(_pattern(term, namespace, labels), term.topology_key, weight)

    def evenness(action: str) -> tuple[Spread, ...]:
        asked = (one for one in spread if one.when_unsatisfiable == action)
        return tuple(_spread(one, namespace, labels, from_label_selector(one.label_selector)) for one in asked)

    return PodTerms(
        near=tuple(near(term) for term in _terms(affinity, near=True)),
        far=tuple(near(term) for term in _terms(affinity, near=False)),
        wishes=tuple(near(term, weight) for weight, term in _wishes(affinity)),
        spread=evenness("DoNotSchedule"),
        soft_spread=evenness("ScheduleAnyway"),
    )


def terms_by_default(
    terms: PodTerms, spread: Sequence[TopologySpreadConstraint], namespace: str, labels: Labels, companions: Selector
) -> PodTerms:
    """With constraints that a pod is given which has none: by them it is spread among its companions."""
    hard, soft = (
        tuple(_spread(one, namespace, labels, companions) for one in spread if one.when_unsatisfiable == action)
        for action in ("DoNotSchedule", "ScheduleAnyway")
    )
    return replace(terms, spread=hard, soft_spread=soft)


def _terms(affinity: Affinity | None, *, near: bool) -> list[PodAffinityTerm]:
    part = None if affinity is None else affinity.pod_affinity if near else affinity.pod_anti_affinity
    return [] if part is None else part.required_during_scheduling_ignored_during_execution


def _wishes(affinity: Affinity | None) -> list[tuple[int, PodAffinityTerm]]:
    found = []
    for part, sign in ((affinity.pod_affinity, 1), (affinity.pod_anti_affinity, -1)) if affinity is not None else ():
        for wish in part.preferred_during_scheduling_ignored_during_execution if part is not None else ():
            if wish.pod_affinity_term is not None:
                found.append((sign * wish.weight, wish.pod_affinity_term))
    return found


def _pattern(term: PodAffinityTerm, namespace: str, labels: Labels) -> Pattern:
    spaces = None if term.namespace_selector is None else from_label_selector(term.namespace_selector)
    names = frozenset(term.namespaces) if term.namespaces or spaces is not None else frozenset((namespace,))
    wanted = from_label_selector(term.label_selector)
    selector = _narrowed(wanted, labels, term.match_label_keys, term.mismatch_label_keys)
    return Pattern(names, spaces, selector)


def _narrowed(selector: Selector, labels: Labels, same: list[str], other: list[str]) -> Selector:
    """By the pod's own values of some labels."""
    own = [
        Term(key, operator, frozenset((labels[key],)))
        for keys, operator in ((same, "In"), (other, "NotIn"))
        for key in keys
        if key in labels
    ]
    return Selector((*selector.terms, *own)) if own else selector


def _spread(one: TopologySpreadConstraint, namespace: str, labels: Labels, among: Selector) -> Spread:
    selector = _narrowed(among, labels, one.match_label_keys, [])
    return Spread(
        pattern=Pattern(frozenset((namespace,)), None, selector),
        key=one.topology_key,
        max_skew=one.max_skew,
        min_domains=one.min_domains or 1,
        only_eligible=one.node_affinity_policy != "Ignore",
        only_tolerated=one.node_taints_policy == "Honor",
    )
