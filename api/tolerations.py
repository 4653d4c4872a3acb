"""Which taints a pod bears.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from collections.abc import Iterable

from api.core import Taint, Toleration


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """An empty effect stands for every effect; an empty key, with ``Exists``, for every key."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def seconds_tolerated(tolerations: Iterable[Toleration], taints: Iterable[Taint]) -> float | None:
    """How long a pod stays beside these taints: the shortest of what it says, 0 when it does not bear one of them,
    None for ever."""
    known, limits = list(tolerations), list[float]()
    for taint in taints:
        matching = [one for one in known if tolerates(one, taint)]
        if not matching:
            return 0.0
        limits += [max(float(one.toleration_seconds), 0.0) for one in matching if one.toleration_seconds is not None]
    return min(limits, default=None)
