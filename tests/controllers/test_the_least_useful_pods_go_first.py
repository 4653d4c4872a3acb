"""Which pod goes when there are too many: Kubernetes' order (ActivePodsWithRanks), line by line."""

from typing import Any

import pytest

from api.core import Pod
from master.controllers.leastuseful import least_useful_first
from master.controllers.replicas import decide
from tests.controllers.made import NOW, pod

COST = "controller.kubernetes.io/pod-deletion-cost"


def made(name: str, *, cost: str = "", sidecar_restarts: int = 0, **said: Any) -> Pod:
    """Running, on a node and ready for ten minutes, unless said otherwise."""
    one = pod(name, **{"nodeName": "n", "ready": True, "ready_for_s": 600, **said})
    if cost:
        one.metadata.annotations[COST] = cost
    if sidecar_restarts:
        again = pod("x", restarts=sidecar_restarts, initContainers=[{"name": "c", "restartPolicy": "Always"}])
        one.spec.init_containers, one.status.init_container_statuses = (
            again.spec.init_containers, again.status.container_statuses,
        )  # fmt: skip
    return one


# What comes first in the order outweighs all that comes after it.
@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        pytest.param(
            {"nodeName": "", "phase": "Running", "cost": "9"}, {"phase": "Pending", "ready": False}, id="node"
        ),
        pytest.param(
            {"phase": "Pending", "ready": True, "cost": "9"}, {"phase": "Unknown", "ready": False}, id="phase"
        ),
        pytest.param({"phase": "Unknown", "cost": "9"}, {"ready": False}, id="unknown phase"),
        pytest.param({"ready": False, "cost": "9"}, {"cost": "-9"}, id="readiness"),
        pytest.param({"cost": "-1", "ready_for_s": 9000}, {"ready_for_s": 1}, id="cost"),
        pytest.param({"cost": "-2147483648"}, {"cost": "2147483647"}, id="cost of 32 bits"),
        pytest.param({"cost": "2147483648", "ready_for_s": 10}, {"cost": "1"}, id="a cost too great is none"),
        pytest.param({"cost": "007", "ready_for_s": 10}, {"cost": "1"}, id="a cost with leading zeros is none"),
        pytest.param({"cost": "+7", "ready_for_s": 10}, {"cost": "1"}, id="a cost with a plus is none"),
        pytest.param(
            {"ready_for_s": 200, "restarts": 0}, {"ready_for_s": 600, "restarts": 5}, id="ready for less time"
        ),
        pytest.param({"ready_for_s": -5, "age_s": 9000}, {"ready_for_s": 1}, id="ready in the future by its clock"),
        pytest.param({"restarts": 2, "age_s": 9000}, {"restarts": 1, "age_s": 10}, id="restarts"),
        pytest.param({"sidecar_restarts": 2, "age_s": 9000}, {"sidecar_restarts": 1}, id="restarts of a sidecar"),
        pytest.param({"restarts": 2}, {"restarts": 1, "sidecar_restarts": 9}, id="a container before a sidecar"),
        pytest.param({"ready": False, "age_s": 10}, {"ready": False, "age_s": 1000}, id="age"),
        pytest.param({"age_s": 10}, {"age_s": 1000}, id="age of those that got ready together"),
    ],
)
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_the_less_useful_goes_first(goes: dict[str, Any], stays: dict[str, Any], names: str) -> None:
    first, second = made(names[0], **goes), made(names[1], **stays)
    assert least_useful_first([second, first], NOW, {}) == [first, second]
    assert least_useful_first([first, second], NOW, {}) == [first, second]


# 2**39 ns are 549.8 s, 2**40 ns are 1099.5 s.
@pytest.mark.parametrize(
    ("seconds", "others", "first"),
    [(600, 1000, "a"), (1000, 600, "a"), (549, 550, "a"), (550, 549, "b"), (1099, 1100, "a"), (1100, 1099, "b")],
)
@pytest.mark.parametrize("of", ["ready_for_s", "age_s"])
def test_ages_of_the_same_power_of_two_are_the_same(seconds: float, others: float, first: str, of: str) -> None:
    """Then the UID decides, also before restarts are looked at."""
    one, other = made("a", **{of: seconds}), made("b", **{of: others})
    if of == "ready_for_s":
        other.status.container_statuses = pod("x", restarts=7).status.container_statuses
    assert least_useful_first([other, one], NOW, {})[0].metadata.name == first


def test_a_time_that_is_missing_goes_before_any_other() -> None:
    unknown, known = made("b"), made("a", ready_for_s=0)
    unknown.status.conditions[0].last_transition_time = None
    assert least_useful_first([known, unknown], NOW, {}) == [unknown, known]
    unborn, born = made("b"), made("a", age_s=0)
    unborn.metadata.creation_timestamp = None
    assert least_useful_first([born, unborn], NOW, {}) == [unborn, born]


def test_the_container_that_restarted_most_speaks_for_its_pod() -> None:
    worst, both = made("worst", restarts=5), made("both", restarts=3)
    both.status.container_statuses *= 2
    assert decide(1, [both, worst], NOW).delete == (worst,)


def _placed() -> list[Pod]:
    rows = (("alone", 10, "a"), ("first", 900, "b"), ("second", 300, "b"))
    return [made(name, ready_for_s=seconds, nodeName=node) for name, seconds, node in rows]


def test_a_node_with_many_gives_first() -> None:
    alone, first, second = _placed()
    assert decide(0, [alone, first, second], NOW, relatives=[]).delete == (second, first, alone)


def test_the_crowd_on_a_node_means_nothing_to_a_controller_without_an_owner() -> None:
    alone, first, second = _placed()
    assert decide(2, [alone, first, second], NOW).delete == (alone,)


def test_what_a_pod_costs_counts_before_the_crowd_beside_it() -> None:
    alone, first, second = _placed()
    alone.metadata.annotations[COST] = "-1"
    assert decide(2, [alone, first, second], NOW, relatives=[]).delete == (alone,)


def test_a_cost_of_thousands_of_digits_is_none() -> None:
    alone, first, second = _placed()
    alone.metadata.annotations[COST] = "-" + "9" * 5000
    assert decide(2, [alone, first, second], NOW, relatives=[]).delete == (second,)


def test_pods_of_the_same_deployments_other_replica_sets_crowd_a_node_too() -> None:
    alone, beside, old = _placed()
    assert decide(1, [alone, beside], NOW, relatives=[]).delete == (alone,)
    assert decide(1, [alone, beside], NOW, relatives=[old]).delete == (beside,)
