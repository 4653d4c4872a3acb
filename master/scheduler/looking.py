"""Looks at the neighbourhood for one pod: its terms about other pods become counts (a ``View``)."""

from collections.abc import Callable

from master.scheduler.cluster import Cluster
from master.scheduler.filters import bears_taints, matches_node
from master.scheduler.nodestate import NodeState
from master.scheduler.tallies import Tally
from master.scheduler.terms import Near, Pattern, Spread
from master.scheduler.views import NOTHING_NEAR, Evenness, Placed, View
from master.scheduler.wish import Wish


def view_of(wish: Wish, cluster: Cluster, *, hard_affinity: int = 1, others_wishes: bool = True) -> View:
    """What the pod's terms, and those of others about it, come to now. ``NOTHING_NEAR`` itself when nothing is.

    hard_affinity: what a required affinity of a pod already placed weighs as a wish. others_wishes: whether what such
    pods prefer counts.
    """
    spaces = cluster.tallies.spaces
    shunned_by = cluster.holders.shunning(wish.namespace, wish.labels, spaces)
    liked_by = cluster.holders.liking(wish.namespace, wish.labels, spaces) if others_wishes else ()
    liked_by += cluster.holders.needing(wish.namespace, wish.labels, spaces, hard_affinity)
    terms = wish.terms
    if not (shunned_by or liked_by or any((terms.near, terms.far, terms.wishes, terms.spread, terms.soft_spread))):
        return NOTHING_NEAR
    all_near = tuple(term.pattern for term in terms.near)
    near = [(term.key, _tally(cluster, all_near, term.key)) for term in terms.near]
    return View(
        near=tuple(Placed(key, tally.counts) for key, tally in near),
        alone=not any(tally.total for _, tally in near)
        and all(pattern.matches(wish.namespace, wish.labels, spaces) for pattern in all_near),
        far=_placed(terms.far, cluster),
        shunned_by=shunned_by,
        wishes=_placed(terms.wishes, cluster) + liked_by,
        spread=_evenness(wish, terms.spread, cluster),
        soft_spread=_evenness(wish, terms.soft_spread, cluster),
    )


def _placed(terms: tuple[Near, ...], cluster: Cluster) -> tuple[Placed, ...]:
    return tuple(Placed(term.key, _tally(cluster, (term.pattern,), term.key).counts, term.weight) for term in terms)


def _tally(cluster: Cluster, patterns: tuple[Pattern, ...], key: str) -> Tally:
    return cluster.tallies.get(
        (patterns, key),
        lambda: Tally(patterns, key, living=False, eligible=lambda _: True),
        cluster.nodes.values(),
    )


def _evenness(wish: Wish, constraints: tuple[Spread, ...], cluster: Cluster) -> tuple[Evenness, ...]:
    keys = tuple(one.key for one in constraints)
    found = []
    for one in constraints:
        tally = _spread_tally(wish, one, keys, cluster)
        least = tally.least() if tally.domains >= one.min_domains else 0
        own = tally.matches(wish, cluster.tallies.spaces)
        found.append(Evenness(one, tally.counts, one.max_skew + least - own))
    return tuple(found)


def _spread_tally(wish: Wish, one: Spread, keys: tuple[str, ...], cluster: Cluster) -> Tally:
    """Counts pods on nodes that have all of the keys, and that the pod could use where the policies say so."""
    shape = wish.shape
    by_affinity = one.only_eligible and bool(shape.node_selector or shape.required_nodes)
    eligible = _eligible(wish, keys, by_affinity=by_affinity, by_taints=one.only_tolerated)
    own = shape if by_affinity or one.only_tolerated else None
    return cluster.tallies.get(
        (one.pattern, one.key, keys, own),
        lambda: Tally((one.pattern,), one.key, living=True, eligible=eligible),
        cluster.nodes.values(),
    )


def _eligible(wish: Wish, keys: tuple[str, ...], *, by_affinity: bool, by_taints: bool) -> Callable[[NodeState], bool]:
    shape = wish.shape

    def eligible(state: NodeState) -> bool:
        return (
            all(key in state.labels for key in keys)
            and (not by_affinity or matches_node(shape, state))
            and (not by_taints or bears_taints(shape, state) is None)
        )

    return eligible
