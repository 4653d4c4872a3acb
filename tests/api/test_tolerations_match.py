"""Tolerations: which taints a pod bears, and for how long."""

import pytest

from api.core import Taint, Toleration
from api.tolerations import seconds_tolerated, tolerates

TAINT = Taint(key="k", value="v", effect="NoExecute")


@pytest.mark.parametrize(
    ("toleration", "matches"),
    [
        (Toleration(key="k", operator="Exists"), True),
        (Toleration(key="k", operator="Exists", effect="NoExecute"), True),
        (Toleration(key="k", operator="Exists", effect="NoSchedule"), False),
        (Toleration(key="other", operator="Exists"), False),
        (Toleration(operator="Exists"), True),
        (Toleration(key="k", value="v"), True),
        (Toleration(key="k", operator="Equal", value="v"), True),
        (Toleration(key="k", operator="Equal", value="w"), False),
        (Toleration(key="k", operator="Equal"), False),
        (Toleration(operator="Equal", value="v"), False),
    ],
)
def test_a_toleration_matches_by_key_operator_value_and_effect(toleration: Toleration, matches: bool) -> None:
    assert tolerates(toleration, TAINT) is matches


def bears(key: str, seconds: int | None) -> Toleration:
    return Toleration(key=key, operator="Exists", toleration_seconds=seconds)


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0.0),
        ([bears("k", 30)], 0.0),
        ([bears("k", 30), bears("l", None)], 30.0),
        ([bears("k", 30), bears("l", 20)], 20.0),
        ([bears("k", None), bears("l", None)], None),
        ([bears("k", -5), bears("l", None)], 0.0),
        ([bears("k", 30), bears("l", 20), bears("unused", 1)], 20.0),
    ],
)
def test_the_shortest_limit_counts_and_every_taint_must_be_borne(
    tolerations: list[Toleration], seconds: float | None
) -> None:
    taints = [TAINT, Taint(key="l", effect="NoExecute")]
    assert seconds_tolerated(tolerations, taints) == seconds


def test_without_taints_a_pod_stays() -> None:
    assert seconds_tolerated([], []) is None
