"""What a pod's terms about other pods come to at this moment: counts by topology domain.

A *domain* is a value of a node label, as a zone or a host name. The filters and scores read these counts; nobody
changes them while a decision is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from master.scheduler.terms import Spread

Counts = Mapping[str, int]


class Placed(NamedTuple):
    """Pods counted by the values of a node label; what each weighs."""

    key: str
    counts: Counts
    weight: int = 0


class Evenness(NamedTuple):
    """A spread constraint, the pods that count for it in each domain, and how many of them a domain may have for one
    more.
    """

    wanted: Spread
    counts: Counts
    most: int


@dataclass(frozen=True, slots=True)
class View:
    """near: required neighbours. alone: there are none yet anywhere, and the pod is one itself. far: pods to stay away
    from. shunned_by: pods that must not have this one near. wishes: preferred, from both sides.
    """

    near: tuple[Placed, ...] = ()
    alone: bool = False
    far: tuple[Placed, ...] = ()
    shunned_by: tuple[Placed, ...] = ()
    wishes: tuple[Placed, ...] = ()
    spread: tuple[Evenness, ...] = ()
    soft_spread: tuple[Evenness, ...] = ()


NOTHING_NEAR = View()
