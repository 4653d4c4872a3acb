"""A deployment that gets another size while old and new pods stand side by side: pure functions, tables."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.apps import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetSpec, RollingUpdateDeployment
from api.meta import ObjectMeta
from api.rollouts import DESIRED, MOST, REVISION
from master.controllers.rollout import size
from master.controllers.scaling import is_rescaled, shares, size_marks


def deployment(wanted: int, surge: int | str = 0, kind: str = "RollingUpdate") -> Deployment:
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=1) if kind == "RollingUpdate" else None
    return Deployment(
        spec=DeploymentSpec(replicas=wanted, strategy=DeploymentStrategy(type=kind, rolling_update=rolling))
    )


def replica_set(name: str, replicas: int, number: int, desired: int, most: int | None = None) -> ReplicaSet:
    marks = {REVISION: str(number), DESIRED: str(desired), MOST: str(desired if most is None else most)}
    made = ReplicaSet(metadata=ObjectMeta(name=name, annotations=marks), spec=ReplicaSetSpec(replicas=replicas))
    made.status.replicas = made.status.available_replicas = replicas
    return made


@pytest.mark.parametrize(
    ("wanted", "surge", "before", "old", "new", "expected"),
    [
        # Kubernetes' own example: ten become fifteen while eight are old and five new, three too many allowed.
        (15, 3, 10, [8], 5, {"old0": 11, "new": 7}),
        (20, 0, 10, [10], 0, {"old0": 20}),
        (20, 0, 10, [5], 5, {"old0": 10, "new": 10}),
        (11, 0, 10, [5], 5, {"new": 6}),
        (5, 0, 10, [5], 5, {"old0": 2, "new": 3}),
        (9, 0, 10, [5], 5, {"old0": 4}),
        (0, 0, 10, [5], 5, {"old0": 0, "new": 0}),
        (12, 0, 6, [2, 2], 2, {"old0": 4, "old1": 4, "new": 4}),
        (10, 2, 10, [8], 4, {}),
        (7, 0, 3, [], 3, {"new": 7}),
    ],
)
def test_each_set_bears_its_share(
    wanted: int, surge: int, before: int, old: list[int], new: int, expected: dict[str, int]
) -> None:
    made = [replica_set(f"old{at}", replicas, at + 1, before, before + surge) for at, replicas in enumerate(old)]
    newest = replica_set("new", new, 9, before, before + surge)
    assert shares(deployment(wanted, surge), newest, made) == expected


@given(st.integers(0, 30), st.integers(0, 5), st.lists(st.integers(1, 12), min_size=2, max_size=4))
def test_in_sum_it_is_what_is_wanted(wanted: int, surge: int, sizes: list[int]) -> None:
    before = sum(sizes)
    sets = [replica_set(f"s{at}", replicas, at, before, before + surge) for at, replicas in enumerate(sizes)]
    sets[-1].status.available_replicas = 0
    changed = shares(deployment(wanted, surge), sets[-1], sets[:-1])
    after = {item.metadata.name: changed.get(item.metadata.name, size(item)) for item in sets}
    assert sum(after.values()) == (wanted + surge if wanted else 0)
    assert all(count >= 0 for count in after.values())


@pytest.mark.parametrize(
    ("marks", "wanted", "expected"), [({DESIRED: "3"}, 3, False), ({DESIRED: "3"}, 4, True), ({}, 4, False)]
)
def test_a_new_wish_is_told_from_a_rollout(marks: dict[str, Any], wanted: int, expected: bool) -> None:
    item = ReplicaSet(metadata=ObjectMeta(name="a", annotations=marks), spec=ReplicaSetSpec(replicas=3))
    assert is_rescaled(deployment(wanted), [item]) is expected
    empty = ReplicaSet(metadata=ObjectMeta(name="a", annotations=marks), spec=ReplicaSetSpec(replicas=0))
    assert not is_rescaled(deployment(wanted), [empty])


def test_the_marks_are_the_wish_and_the_most_there_may_be() -> None:
    assert size_marks(deployment(10, "25%")) == {DESIRED: "10", MOST: "13"}
    assert size_marks(deployment(10, kind="Recreate")) == {DESIRED: "10", MOST: "10"}


def test_a_recreated_deployment_is_not_shared_out() -> None:
    old, new = replica_set("old", 3, 1, 6), replica_set("new", 3, 2, 6)
    assert shares(deployment(9, kind="Recreate"), new, [old]) == {}
