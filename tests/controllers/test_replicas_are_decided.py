"""Replication, purely: how many to create, which to delete, and the status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.core import Pod
from master.controllers.replication import decide, status_of, usefulness
from tests.controllers.made import NOW, controller, pod


@pytest.mark.parametrize(
    ("wanted", "there", "coming", "going", "create", "delete"),
    [
        (0, 0, 0, 0, 0, 0),
        (3, 0, 0, 0, 3, 0),
        (3, 3, 0, 0, 0, 0),
        (3, 1, 2, 0, 0, 0),
        (3, 1, 1, 0, 1, 0),
        (3, 5, 0, 0, 0, 2),
        (3, 5, 0, 2, 0, 0),
        (3, 5, 0, 1, 0, 1),
        (3, 4, 0, 2, 1, 0),
        (0, 3, 2, 0, 0, 3),
        (1, 1, 2, 0, 0, 1),
        (2000, 0, 0, 0, 500, 0),
    ],
)
def test_the_difference_is_closed(wanted: int, there: int, coming: int, going: int, create: int, delete: int) -> None:
    pods = [pod(f"p{number}") for number in range(there)]
    decision = decide(wanted, pods, coming=coming, going=[one.metadata.uid for one in pods[:going]])
    assert (decision.create, len(decision.delete)) == (create, delete)


COUNTS = st.integers(0, 12)


@given(COUNTS, COUNTS, COUNTS, st.sets(COUNTS))
def test_never_more_than_wanted_counting_what_is_coming(wanted: int, there: int, coming: int, going: set[int]) -> None:
    pods = [pod(f"p{number}") for number in range(there)]
    leaving = {f"uid-p{number}" for number in going}
    decision = decide(wanted, pods, coming=coming, going=leaving)
    staying = [one for one in pods if one.metadata.uid not in leaving]
    assert not (decision.create and decision.delete)
    assert all(one in staying for one in decision.delete), "nothing is deleted twice"
    after = len(staying) + coming + decision.create - len(decision.delete)
    if decision.create:
        assert after == wanted
    assert after >= wanted
    assert after == wanted or len(decision.delete) == len(staying)


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (pod("a", nodeName=""), pod("b", nodeName="n", phase="Pending")),
        (pod("a", nodeName="n", phase="Pending"), pod("b", nodeName="n", phase="Unknown")),
        (pod("a", nodeName="n", phase="Unknown"), pod("b", nodeName="n", ready=False)),
        (pod("a", nodeName="n", ready=False), pod("b", nodeName="n", ready=True)),
        (pod("a", nodeName="n", ready=True, ready_for_s=1), pod("b", nodeName="n", ready=True, ready_for_s=60)),
        (pod("a", nodeName="n", ready=False, restarts=5), pod("b", nodeName="n", ready=False, restarts=1)),
        (pod("a", nodeName="n", ready=False, age_s=1), pod("b", nodeName="n", ready=False, age_s=60)),
    ],
)
def test_the_least_useful_pod_goes_first(goes: Pod, stays: Pod) -> None:
    assert usefulness(goes) < usefulness(stays)
    assert decide(1, [stays, goes]).delete == (goes,)


def test_the_deletion_cost_counts_before_age_and_after_readiness() -> None:
    cheap, dear, unready = (
        pod(name, ready=name != "unready", ready_for_s=500) for name in ("cheap", "dear", "unready")
    )
    cost = "controller.kubernetes.io/pod-deletion-cost"
    dear.metadata.annotations, unready.metadata.annotations = {cost: "5"}, {cost: "9"}
    cheap.metadata.annotations = {cost: "nonsense"}
    assert decide(0, [dear, cheap, unready]).delete == (unready, cheap, dear)


def test_a_node_with_many_gives_first() -> None:
    alone, first, second = (
        pod(name, ready=True, ready_for_s=seconds, nodeName=node)
        for name, seconds, node in (("alone", 10, "a"), ("first", 900, "b"), ("second", 800, "b"))
    )
    assert decide(2, [alone, first, second], relatives=[]).delete == (second,)


def test_the_crowd_on_a_node_means_nothing_to_a_controller_without_an_owner() -> None:
    alone, first, second = (
        pod(name, ready=True, ready_for_s=seconds, nodeName=node)
        for name, seconds, node in (("alone", 10, "a"), ("first", 900, "b"), ("second", 800, "b"))
    )
    assert decide(2, [alone, first, second]).delete == (alone,)


def test_pods_of_the_same_deployments_other_replica_sets_crowd_a_node_too() -> None:
    alone, beside, old = (
        pod(name, ready=True, ready_for_s=seconds, nodeName=node)
        for name, seconds, node in (("alone", 10, "a"), ("beside", 900, "b"), ("old", 900, "b"))
    )
    assert decide(1, [alone, beside], relatives=[]).delete == (alone,)
    assert decide(1, [alone, beside], relatives=[old]).delete == (beside,)


def test_the_container_that_restarted_most_speaks_for_its_pod() -> None:
    worst, both = pod("worst", restarts=5), pod("both", restarts=3)
    both.status.container_statuses *= 2
    assert decide(1, [both, worst]).delete == (worst,)


def test_the_status_counts_ready_available_and_labelled_pods() -> None:
    owner = controller(minReadySeconds=10)
    owner.metadata.generation = 7
    front = {"app": "web", "tier": "front"}
    pods = [
        pod("a", ready=True, ready_for_s=60, labels=front),
        pod("b", ready=True, ready_for_s=4, labels=front),
        pod("c", ready=True, ready_for_s=7),
        pod("d", ready=False),
        pod("e"),
    ]
    status, wait_s = status_of(owner, pods, NOW)
    assert (status.replicas, status.ready_replicas, status.available_replicas, status.fully_labeled_replicas) == (
        5,
        3,
        1,
        2,
    )
    assert status.observed_generation == 7
    assert wait_s == 3, "c becomes available next"


def test_without_a_minimum_ready_is_available_at_once() -> None:
    status, wait_s = status_of(controller(), [pod("a", ready=True)], NOW)
    assert (status.available_replicas, wait_s) == (1, 0.0)
