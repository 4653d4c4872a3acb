"""Scores and choices: where a pod runs best, and the sentence when it runs nowhere."""

from typing import Any

import pytest

from api.core import Pod
from master.scheduler import scores
from master.scheduler.cluster import Cluster, NodeState
from master.scheduler.decision import choose
from tests.scheduler.made import node, pod, state

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
        (scores.spread, pod(owner="rc"), state(node(), pod("x", owner="other")), state(node(), pod("x", owner="rc"))),
        (scores.preferred_affinity, pod(**prefers(10, "ssd")), state(node(labels={"ssd": ""})), state(node())),
        (
            scores.preferred_taints,
            pod(),
            state(node()),
            state(node(spec={"taints": [{"key": "old", "effect": "PreferNoSchedule"}]})),
        ),
    ],
)
def test_a_score_prefers(score: scores.Score, one: Pod, better: NodeState, worse: NodeState) -> None:
    assert 0 <= score(one, worse) < score(one, better) <= scores.MAX


@pytest.mark.parametrize("score", [score for score, _ in scores.SCORES], ids=lambda score: score.__name__)
def test_every_score_stays_in_its_bounds(score: scores.Score) -> None:
    full = state(node(room={"cpu": "0", "memory": "0"}), *(pod(f"x{n}", cpu="9", memory="99Gi") for n in range(20)))
    for one in (pod(), pod(owner="rc"), pod(cpu="1000", memory="1Ti"), pod(containers=[])):
        for place in (state(), full):
            assert 0 <= score(one, place) <= scores.MAX


def nodes(*made: NodeState) -> tuple[NodeState, ...]:
    return made


def test_reasons_are_counted_over_the_nodes() -> None:
    small = {"cpu": "1"}
    places = nodes(
        state(node("a", room=small)), state(node("b", spec={"unschedulable": True})), state(node("c", room=small))
    )
    assert choose(pod(cpu="2"), places).reason == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."
    )
    assert choose(pod(cpu="2"), places).node == ""


def test_nowhere_to_go_and_not_yet() -> None:
    assert choose(pod(), ()).reason == "no nodes available to schedule pods"
    gated = pod(schedulingGates=[{"name": "wait"}])
    assert choose(gated, (state(),)).reason == "Scheduling is blocked due to non-empty scheduling gates"


def test_the_only_fitting_node_and_the_best_one() -> None:
    busy, idle = state(node("busy"), pod("x", cpu="3", memory="6Gi")), state(node("idle"))
    assert choose(pod(cpu="2"), (busy, idle)).node == "idle"
    assert choose(pod(cpu="1"), (busy, idle)).node == "idle"


def test_equal_nodes_take_turns() -> None:
    places = [state(node(name)) for name in ("b", "a", "c")]
    assert [choose(pod(), places, turn=turn).node for turn in range(4)] == ["a", "b", "c", "a"]


def test_pods_of_one_owner_are_spread_over_nodes() -> None:
    cluster = Cluster()
    for name in ("a", "b", "c"):
        cluster.set_node(node(name))
    for number in range(6):
        one = pod(f"p{number}", owner="rc")
        cluster.place(one, choose(one, cluster.nodes.values(), turn=number).node)
    assert [len(place.pods) for place in cluster.nodes.values()] == [2, 2, 2]


def test_assumed_pods_take_their_room() -> None:
    cluster = Cluster()
    cluster.set_node(node("a"))
    cluster.place(pod("x", cpu="3"), "a")
    assert choose(pod(cpu="2"), cluster.nodes.values()).reason == "0/1 nodes are available: 1 Insufficient cpu."
    cluster.place(pod("x", cpu="3"), "a")
    assert cluster.nodes["a"].requested == {"cpu": 3000}, "seen again, and counted once"
    cluster.set_node(node("a", room={"cpu": "8"}))
    assert choose(pod(cpu="2"), cluster.nodes.values()).node == "a"
    cluster.remove("x")
    assert not cluster.is_placed("x")
    assert cluster.nodes["a"].requested == {"cpu": 0}


def test_a_node_that_is_gone_takes_its_pods_along() -> None:
    cluster = Cluster()
    cluster.set_node(node("a"))
    one = pod("x")
    cluster.place(one, "a")
    cluster.remove_node("a", [one])
    assert not cluster.is_placed("x")
    cluster.place(one, "a")
    assert not cluster.is_placed("x"), "of a node that is not known nothing is counted"
