"""Scores and choices: where a pod runs best, and the sentence when it runs nowhere."""

from typing import Any

import pytest

from api.core import Pod
from master.scheduler import scores
from master.scheduler.decision import Chooser
from master.scheduler.nodestate import NodeState
from master.scheduler.profile import Profile
from master.scheduler.reading import Reads
from master.scheduler.wish import Wish
from tests.scheduler.made import choose, cluster, node, pod, state

MI = 2**20


def prefers(weight: int, key: str) -> dict[str, Any]:
    term = {"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]}}
    return {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}}


@pytest.mark.parametrize(
    ("score", "one", "better", "worse"),
    [
        (scores.least_requested, pod(), state(node()), state(node(), pod("x", cpu="2"))),
        (scores.least_requested, pod(), state(node()), state(node(), pod("x"))),
        (
            scores.balanced_allocation,
            pod(cpu="1", memory="2Gi"),
            state(node(), pod("x", cpu="1", memory="2Gi")),
            state(node(), pod("x", cpu="3", memory="1Mi")),
        ),
        (
            scores.image_locality,
            pod(),
            state(node(images=[{"names": ["web:1"], "sizeBytes": 500 * MI}])),
            state(node(images=[{"names": ["web:2"], "sizeBytes": 900 * MI}])),
        ),
        (
            scores.selector_spread,
            pod(owner="rc"),
            state(node(), pod("x", owner="other")),
            state(node(), pod("x", owner="rc")),
        ),
        (scores.preferred_affinity, pod(**prefers(10, "ssd")), state(node(labels={"ssd": ""})), state(node())),
        (
            scores.preferred_taints,
            pod(),
            state(node()),
            state(node(spec={"taints": [{"key": "old", "effect": "PreferNoSchedule"}]})),
        ),
    ],
)
def test_a_score_prefers(score: scores.Rate, one: Pod, better: NodeState, worse: NodeState) -> None:
    wish = Wish.of(one)
    assert 0 <= score(wish, worse) < score(wish, better) <= scores.MAX


@pytest.mark.parametrize(
    "score", [one for one in scores.SCORES if one.reads is not Reads.NEIGHBOURS], ids=lambda score: score.name
)
def test_every_narrow_score_stays_in_its_bounds(score: scores.Score) -> None:
    full = state(node(room={"cpu": "0", "memory": "0"}), *(pod(f"x{n}", cpu="9", memory="99Gi") for n in range(20)))
    for one in (pod(), pod(owner="rc"), pod(cpu="1000", memory="1Ti"), pod(containers=[])):
        for place in (state(), full):
            assert 0 <= score.rate(Wish.of(one), place) <= scores.MAX


@pytest.mark.parametrize(
    ("values", "less_is_better", "expected"),
    [
        ([1, 2, 3], False, [0, 50, 100]),
        ([1, 2, 3], True, [100, 50, 0]),
        ([-4, 0], False, [0, 100]),
        ([7, 7], False, [0, 0]),
        ([], False, []),
        ([2, 4, float("inf")], True, [100, 0, 0]),
        ([2, float("inf")], True, [100, 0]),
    ],
)
def test_wide_scores_are_brought_to_one_scale(values: list[float], less_is_better: bool, expected: list[float]) -> None:
    assert scores.normalised(values, less_is_better=less_is_better) == expected


def test_an_image_weighs_by_its_size_and_by_how_many_nodes_have_it() -> None:
    """So that one node that has it is not stormed. The figures are Kubernetes': from 23 MiB to 1,000 for each image."""
    holding = {"images": [{"names": ["web:1"], "sizeBytes": 800 * MI}]}
    there = cluster(node("a", **holding), node("b", **holding), node("c"), node("d"))

    def rated(one: Pod, name: str = "a") -> int:
        return round(scores.image_locality(Wish.of(one), there.nodes[name]))

    assert (rated(pod()), rated(pod(), "c")) == (round(100 * (400 - 23) / (1000 - 23)), 0)
    there.set_node(node("c", **holding))
    assert rated(pod()) == round(100 * (600 - 23) / (1000 - 23))
    there.remove_node("d")
    assert rated(pod()) == round(100 * (800 - 23) / (1000 - 23))
    there.set_node(node("b"))
    there.remove_node("c")
    assert rated(pod()) == round(100 * (400 - 23) / (1000 - 23))
    init = [{"name": "i", "image": "web:1"}]
    assert rated(pod(initContainers=init)) == round(100 * (800 - 23) / (2000 - 23))


def test_reasons_are_counted_over_the_nodes() -> None:
    small = {"cpu": "1"}
    places = cluster(node("a", room=small), node("b", spec={"unschedulable": True}), node("c", room=small))
    choice = choose(pod(cpu="2"), places)
    assert choice.node == ""
    assert choice.reason == "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."


@pytest.mark.parametrize(
    ("nodes", "percentage", "asked"),
    [(60, 0, 60), (100, 0, 100), (110, 0, 100), (1000, 0, 420), (5000, 0, 500), (20000, 0, 1000), (5000, 20, 1000)],
)
def test_extenders_are_asked_about_kubernetes_share_of_nodes(nodes: int, percentage: int, asked: int) -> None:
    assert Profile(percentage_of_nodes=percentage).sample_for_extenders(nodes) == asked


def test_nowhere_to_go() -> None:
    assert choose(pod(), cluster()).reason == "no nodes available to schedule pods"


def test_the_only_fitting_node_and_the_best_one() -> None:
    places = cluster(node("busy"), node("idle"), busy=[pod("x", cpu="3", memory="6Gi")])
    assert choose(pod(cpu="2"), places).node == "idle"
    assert choose(pod(cpu="1"), places).node == "idle"


def test_equal_nodes_take_turns() -> None:
    names = {choose(pod(), cluster(node("a"), node("b"), node("c"))).node for _ in range(60)}
    assert names == {"a", "b", "c"}


def test_pods_of_one_owner_are_spread_over_nodes() -> None:
    places = cluster(node("a"), node("b"), node("c"))
    chooser = Chooser(places, Profile())
    for number in range(6):
        wish = Wish.of(pod(f"p{number}", owner="rc"))
        places.place(wish, chooser.choose(wish).node)
    assert [len(place.pods) for place in places.nodes.values()] == [2, 2, 2]


def test_pods_of_one_owner_are_spread_over_zones() -> None:
    places = cluster(*(node(f"n{at}", labels={"topology.kubernetes.io/zone": "ab"[at == 0]}) for at in range(4)))
    chooser = Chooser(places, Profile())
    for number in range(6):
        wish = Wish.of(pod(f"p{number}", owner="rc"))
        places.place(wish, chooser.choose(wish).node)
    assert places.owner_zones["rc"] == {"a": 3, "b": 3}


def test_assumed_pods_take_their_room() -> None:
    places = cluster(node("a"), a=[pod("x", cpu="3")])
    assert choose(pod(cpu="2"), places).reason == "0/1 nodes are available: 1 Insufficient cpu."
    places.place(Wish.of(pod("x", cpu="3")), "a")
    assert places.nodes["a"].requested == {"cpu": 3000}, "seen again, and counted once"
    places.set_node(node("a", room={"cpu": "8"}))
    assert choose(pod(cpu="2"), places).node == "a"
    places.remove("x")
    assert not places.node_of("x")
    assert places.nodes["a"].requested == {"cpu": 0}


def test_a_node_that_comes_back_has_its_pods_on_it() -> None:
    places = cluster(node("a"), a=[pod("x", cpu="3")])
    places.remove_node("a")
    assert not places.priorities
    places.place(Wish.of(pod("early", cpu="1")), "a")
    places.set_node(node("a"))
    assert places.nodes["a"].requested == {"cpu": 4000}
    places.remove_node("a")
    places.remove("x")
    places.remove("early")
    places.set_node(node("a"))
    assert places.nodes["a"].requested == {}
