"""Terms that pods already placed hold about others: whom they shun, and whom they like near.

What such a pod wants concerns the pods that come after it. Pods of one template hold the same terms, so there are few.
"""

from collections.abc import Iterator, Mapping

from api.placement import Labels
from master.scheduler.terms import Near, PodTerms
from master.scheduler.views import Placed


class Holders:
    """How many pods that hold a term are in each domain of its node label."""

    def __init__(self) -> None:
        self._shunning: dict[Near, dict[str, int]] = {}
        self._liking: dict[Near, dict[str, int]] = {}
        self._needing: dict[Near, dict[str, int]] = {}

    def count(self, terms: PodTerms, node_labels: Labels, sign: int) -> None:
        """A pod with these terms has come to a node with these labels (1) or has gone from it (-1)."""
        for term in terms.far:
            _count(self._shunning, term, node_labels, sign)
        for term in terms.wishes:
            _count(self._liking, term, node_labels, sign)
        for term in terms.near:
            _count(self._needing, term, node_labels, sign)

    def shunning(self, namespace: str, labels: Labels, spaces: Mapping[str, Labels]) -> tuple[Placed, ...]:
        """Those that must not have such a pod near."""
        return tuple(_about(self._shunning, namespace, labels, spaces))

    def liking(self, namespace: str, labels: Labels, spaces: Mapping[str, Labels]) -> tuple[Placed, ...]:
        """Those that would rather, or rather not, have such a pod near."""
        return tuple(_about(self._liking, namespace, labels, spaces))

    def needing(self, namespace: str, labels: Labels, spaces: Mapping[str, Labels], weight: int) -> tuple[Placed, ...]:
        """Those that were only placed near such a pod, and would rather have more of them: with that weight."""
        if not weight:
            return ()
        return tuple(one._replace(weight=weight) for one in _about(self._needing, namespace, labels, spaces))


def _count(held: dict[Near, dict[str, int]], term: Near, node_labels: Labels, sign: int) -> None:
    domain = node_labels.get(term.key)
    if domain is None:
        return
    counts = held.setdefault(term, {})
    counts[domain] = counts.get(domain, 0) + sign
    if not counts[domain]:
        del counts[domain]
        if not counts:
            del held[term]


def _about(
    held: dict[Near, dict[str, int]], namespace: str, labels: Labels, spaces: Mapping[str, Labels]
) -> Iterator[Placed]:
    for term, counts in held.items():
        if term.pattern.matches(namespace, labels, spaces):
            yield Placed(term.key, counts, term.weight)
