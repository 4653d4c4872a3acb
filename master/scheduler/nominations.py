"""Room that is being made for others: a pod does not take what a preempting pod of its priority or more waits for."""

from collections.abc import Iterator
from contextlib import contextmanager

from master.scheduler.cluster import Cluster
from master.scheduler.filters import Refusal
from master.scheduler.looking import view_of
from master.scheduler.nodestate import NodeState
from master.scheduler.profile import Profile
from master.scheduler.wish import Wish


def refusal_beside_nominated(wish: Wish, state: NodeState, cluster: Cluster, profile: Profile) -> Refusal | None:
    """Why the pod cannot run on a node once the pods nominated to it have come."""
    others = [one for one in state.nominated.values() if one.priority >= wish.priority and one.uid != wish.uid]
    with imagined(cluster, state, others):
        return _refusal(wish, state, cluster, profile)


@contextmanager
def imagined(cluster: Cluster, state: NodeState, present: list[Wish]) -> Iterator[None]:
    """As if these pods were on the node too."""
    for one in present:
        cluster.put_in_mind(one, state)
    try:
        yield
    finally:
        for one in present:
            cluster.take_in_mind(one, state)


def _refusal(wish: Wish, state: NodeState, cluster: Cluster, profile: Profile) -> Refusal | None:
    before, wish.view = wish.view, view_of(wish, cluster)
    try:
        return profile.refusal(wish, state)
    finally:
        wish.view = before
