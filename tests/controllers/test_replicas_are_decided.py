"""Replication, purely: how many to create, which to delete, and the status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.controllers.replicas import decide, status_of
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
    decision = decide(wanted, pods, NOW, coming=coming, going=[one.metadata.uid for one in pods[:going]])
    assert (decision.create, len(decision.delete)) == (create, delete)


COUNTS = st.integers(0, 12)


@given(COUNTS, COUNTS, COUNTS, st.sets(COUNTS))
def test_never_more_than_wanted_counting_what_is_coming(wanted: int, there: int, coming: int, going: set[int]) -> None:
    pods = [pod(f"p{number}") for number in range(there)]
    leaving = {f"uid-p{number}" for number in going}
    decision = decide(wanted, pods, NOW, coming=coming, going=leaving)
    staying = [one for one in pods if one.metadata.uid not in leaving]
    assert not (decision.create and decision.delete)
    assert all(one in staying for one in decision.delete), "nothing is deleted twice"
    after = len(staying) + coming + decision.create - len(decision.delete)
    if decision.create:
        assert after == wanted
    assert after >= wanted
    assert after == wanted or len(decision.delete) == len(staying)


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
