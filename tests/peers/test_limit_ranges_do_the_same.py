"""Limit ranges drawn by a seed, to both API servers: the same faults in the same words, the same defaults; then pods
under them: completed and refused alike.
"""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from tests.e2e.doors import Api
from tests.e2e.waiting import until
from tests.peers.alike import NAMESPACE, taking_pods

pytestmark = pytest.mark.peer

PLACE = f"{NAMESPACE}/limitranges"
BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
AMOUNTS = ("100m", "500m", "1", "2", "3")
# Kubernetes shows an amount at fault as Go sees it, with what it was made of in it.
_GO_AMOUNT = re.compile(r'resource\.Quantity\{.*?s:"([^"]*)"[^}]*\}')
_NAMES = ("cpu", "storage", "memory", "foo", "a.b/c", "ephemeral-storage", "hugepages-2Mi")


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    return taking_pods(our_api), taking_pods(their_api)


def _drawn(chance: random.Random) -> dict[str, Any]:
    """Any limit range, mostly a wrong one. An unqualified type or none is told in other words."""
    types = ("Container", "Pod", "PersistentVolumeClaim", "foo.com/Bar", "Foo")
    names = _NAMES if chance.random() < 0.3 else ("cpu", "storage")
    amounts = ("1", "2", "500m", "0", "1Gi", "1500m")
    return {"type": chance.choice(types)} | {
        bound: {chance.choice(names): chance.choice(amounts)} for bound in BOUNDS if chance.random() < 0.45
    }


def _said(api: Api, path: str, body: Any) -> Any:
    answer = api.call("POST", f"{path}?dryRun=All", json=body)
    said = answer.json()
    if answer.status_code == 201:
        return said["spec"]
    causes = said["details"].get("causes", [])
    faults = sorted((one["field"], one["reason"], _GO_AMOUNT.sub(r'"\1"', one["message"])) for one in causes)
    return (answer.status_code, faults or said["message"])


@pytest.mark.parametrize("seed", [*range(100), 1095, 1097])
def test_the_same_faults_are_found(both: tuple[Api, Api], seed: int) -> None:
    chance = random.Random(seed)
    items = [_drawn(chance) for _ in range(chance.choice((1, 1, 2)))]
    ours, theirs = (_said(api, PLACE, {"metadata": {"name": "m"}, "spec": {"limits": items}}) for api in both)
    assert ours == theirs, items


def _held(api: Api, item: dict[str, Any], marker: str) -> None:
    """The limit range is there, and admission knows it: by the default for a resource that nothing else names."""
    marked = {"type": "Container", "default": {marker: "1"}, "defaultRequest": {marker: "1"}}
    items = [item | {bound: item.get(bound, {}) | marked[bound] for bound in ("default", "defaultRequest")}]
    made = api.call("POST", PLACE, json={"metadata": {"name": "m"}, "spec": {"limits": items}})
    assert made.status_code == 201, made.text
    probe = {"metadata": {"name": "first"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}

    def known() -> bool:
        return marker in api.call("POST", f"{NAMESPACE}/pods?dryRun=All", json=probe).text

    until(known, limit_s=30, what="a limit range that counts")


@pytest.mark.parametrize("seed", range(12))
def test_containers_are_completed_and_refused_alike(both: tuple[Api, Api], seed: int) -> None:
    chance = random.Random(seed)
    low, high = sorted(chance.sample(range(len(AMOUNTS)), 2))
    item: dict[str, Any] = {"type": "Container"}
    item |= {"min": {"cpu": AMOUNTS[low]}} if chance.random() < 0.6 else {}
    item |= {"max": {"cpu": AMOUNTS[high]}} if chance.random() < 0.6 else {}
    item |= {"default": {"cpu": AMOUNTS[high]}} if chance.random() < 0.4 else {}
    for api in both:
        _held(api, item, f"example.com/r{seed}")
    try:
        for _ in range(8):
            containers = [_container(chance, f"c{number}") for number in range(chance.choice((1, 2)))]
            body = {"metadata": {"name": "p"}, "spec": {"containers": containers}}
            ours, theirs = (_pod(_said(api, f"{NAMESPACE}/pods", body)) for api in both)
            assert ours == theirs, (item, containers)
    finally:
        for api in both:
            assert api.call("DELETE", f"{PLACE}/m").status_code == 200


def _container(chance: random.Random, name: str) -> dict[str, Any]:
    request, limit = sorted(chance.sample(range(len(AMOUNTS)), 2))
    resources: dict[str, Any] = {"requests": {"cpu": AMOUNTS[request]}} if chance.random() < 0.6 else {}
    resources |= {"limits": {"cpu": AMOUNTS[limit]}} if chance.random() < 0.6 else {}
    return {"name": name, "image": "x", "resources": resources}


def _pod(said: Any) -> Any:
    return [one["resources"] for one in said["containers"]] if isinstance(said, dict) else said
