"""What disruption budgets say about who may go: a budget that is spent is broken only when nothing else helps.

The rules are Kubernetes' (filterPodsWithPDBViolation): a budget counts for pods of its namespace that its selector
picks, but one without a selector picks none; a pod whose going is noted in its status is counted there already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.policy import PodDisruptionBudget
from api.selectors import Selector, from_label_selector
from master.scheduler.wish import Wish


@dataclass(frozen=True, slots=True)
class Budget:
    """How many of its pods may go now."""

    namespace: str
    selector: Selector
    allowed: int
    going: frozenset[str]

    def counts(self, wish: Wish) -> bool:
        if self.namespace != wish.namespace or wish.name in self.going or not wish.labels:
            return False
        return self.selector.matches(wish.labels)


def budgets_of(objects: Iterable[PodDisruptionBudget]) -> tuple[Budget, ...]:
    found = []
    for one in objects:
        chosen = one.spec.selector
        if chosen is not None and (chosen.match_labels or chosen.match_expressions):
            meta, status = one.metadata, one.status
            going = frozenset(status.disrupted_pods)
            found.append(Budget(meta.namespace, from_label_selector(chosen), status.disruptions_allowed, going))
    return tuple(found)


def breaking(wishes: Iterable[Wish], budgets: Sequence[Budget]) -> set[str]:
    """UIDs of the pods that would break a budget if all of these went, in this order."""
    left = [budget.allowed for budget in budgets]
    found: set[str] = set()
    for wish in wishes:
        for place, budget in enumerate(budgets):
            if budget.counts(wish):
                left[place] -= 1
                if left[place] < 0:
                    found.add(wish.uid)
    return found
