"""Sizes of replica sets during a rollout: pure functions, tables and an imagined cluster."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.apps import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetSpec, RollingUpdateDeployment
from api.core import Container, PodSpec, PodTemplateSpec, ResourceRequirements
from api.meta import ObjectMeta
from api.rollouts import HASH_LABEL
from api.scalars import Quantity
from master.controllers.rollout import (
    Bounds,
    bounds,
    current_of,
    is_current,
    next_sizes,
    size,
    template_hash,
)


def deployment(wanted: int, surge: int | str, unavailable: int | str, kind: str = "RollingUpdate") -> Deployment:
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    strategy = DeploymentStrategy(type=kind, rolling_update=rolling if kind == "RollingUpdate" else None)
    return Deployment(metadata=ObjectMeta(name="web"), spec=DeploymentSpec(replicas=wanted, strategy=strategy))


def replica_set(name: str, replicas: int, available: int | None = None) -> ReplicaSet:
    made = ReplicaSet(metadata=ObjectMeta(name=name), spec=ReplicaSetSpec(replicas=replicas))
    made.status.replicas = replicas
    made.status.available_replicas = replicas if available is None else available
    return made


@pytest.mark.parametrize(
    ("wanted", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", Bounds(3, 2)),
        (1, "25%", "25%", Bounds(1, 0)),
        (3, 0, 0, Bounds(0, 1)),
        (3, "0%", "0%", Bounds(0, 1)),
        (4, 2, "50%", Bounds(2, 2)),
    ],
)
def test_bounds(wanted: int, surge: int | str, unavailable: int | str, expected: Bounds) -> None:
    assert bounds(deployment(wanted, surge, unavailable)) == expected


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ((0, 0), [(3, 3)], {"new": 1}),  # one too many is allowed
        ((1, 0), [(3, 3)], {}),  # wait: the new one is not available
        ((1, 1), [(3, 3)], {"old0": 2}),
        ((1, 1), [(2, 2)], {"new": 2}),
        ((3, 3), [(1, 1)], {"old0": 0}),
        ((1, 0), [(3, 2)], {}),  # an old one is sick already: no room to take another away
        ((0, 0), [(3, 1)], {"new": 1}),
        ((5, 5), [], {"new": 3}),
    ],
)
def test_one_surge_and_none_missing(new: tuple[int, int], old: list[tuple[int, int]], expected: dict[str, int]) -> None:
    sets = [replica_set(f"old{number}", *sizes) for number, sizes in enumerate(old)]
    assert next_sizes(deployment(3, 1, 0), replica_set("new", *new), sets) == expected


def test_sick_old_pods_go_before_healthy_ones() -> None:
    old = [replica_set("old0", 2, 2), replica_set("old1", 2, 0)]
    assert next_sizes(deployment(2, 0, 1), replica_set("new", 2, 0), old) == {"old0": 1, "old1": 0}


def test_recreate_begins_when_nothing_old_is_left() -> None:
    wanted = deployment(3, 0, 0, kind="Recreate")
    assert next_sizes(wanted, replica_set("new", 0), [replica_set("old", 2)]) == {"old": 0}
    ending = replica_set("old", 0)
    ending.status.replicas = 1
    assert next_sizes(wanted, replica_set("new", 0), [ending]) == {}
    assert next_sizes(wanted, replica_set("new", 0), [replica_set("old", 0)], old_runs=True) == {}
    assert next_sizes(wanted, replica_set("new", 0), [replica_set("old", 0)]) == {"new": 3}


@given(st.integers(0, 8), st.integers(0, 4), st.integers(0, 4), st.lists(st.integers(0, 8), max_size=3), st.randoms())
def test_a_rollout_stays_within_its_bounds_and_ends(
    wanted: int, surge: int, unavailable: int, old_sizes: list[int], random: Random
) -> None:
    """Pods become available one at a time, in any order, between looks."""
    target = deployment(wanted, surge, unavailable)
    limits = bounds(target)
    new = replica_set("new", 0)
    old = [replica_set(f"old{number}", replicas) for number, replicas in enumerate(old_sizes)]
    begun = sum(old_sizes)
    for _ in range(400):
        available = sum(item.status.available_replicas for item in (new, *old))
        for name, replicas in next_sizes(target, new, old).items():
            item = next(item for item in (new, *old) if item.metadata.name == name)
            item.spec.replicas = replicas
            item.status.replicas = replicas
            item.status.available_replicas = min(item.status.available_replicas, replicas)
        total = sum(size(item) for item in (new, *old))
        assert total <= max(wanted + limits.surge, begun)
        left = sum(item.status.available_replicas for item in (new, *old))
        assert left >= min(available, wanted - limits.unavailable)
        waiting = [item for item in (new, *old) if item.status.available_replicas < size(item)]
        if waiting:
            random.choice(waiting).status.available_replicas += 1
    assert size(new) == wanted
    assert all(size(item) == 0 for item in old)


def test_a_template_is_known_again_in_spite_of_its_hash() -> None:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": "web"}), spec=PodSpec(containers=[Container(name="a", image="a:1")])
    )
    mark = template_hash(template)
    marked = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "web", HASH_LABEL: mark}), spec=template.spec)
    assert template_hash(marked) == mark
    assert template_hash(template, 1) != mark
    made = ReplicaSet(spec=ReplicaSetSpec(template=marked))
    assert is_current(made, Deployment(spec=DeploymentSpec(template=template)))
    other = PodTemplateSpec(metadata=template.metadata, spec=PodSpec(containers=[Container(name="a", image="a:2")]))
    assert not is_current(made, Deployment(spec=DeploymentSpec(template=other)))


def _made_of(name: str, template: PodTemplateSpec) -> ReplicaSet:
    return ReplicaSet(metadata=ObjectMeta(name=name), spec=ReplicaSetSpec(template=template))


def test_a_template_in_which_more_was_filled_in_rolls_nothing() -> None:
    """As one that was stored when requests and enableServiceLinks were filled into templates too."""
    limits = {"cpu": Quantity("1")}

    def template(*, filled: bool, image: str = "web:1") -> PodTemplateSpec:
        resources = ResourceRequirements(limits=limits, requests=limits if filled else {})
        containers = [Container(name="c", image=image, resources=resources)]
        return PodTemplateSpec(spec=PodSpec(containers=containers, enable_service_links=True if filled else None))

    wanted = Deployment(spec=DeploymentSpec(template=template(filled=False)))
    before, exact = _made_of("before", template(filled=True)), _made_of("exact", template(filled=False))
    assert current_of([before], wanted) is before
    assert current_of([before, exact], wanted) is exact
    assert current_of([_made_of("other", template(filled=True, image="web:2"))], wanted) is None
