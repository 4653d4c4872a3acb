"""What is remembered of nodes between decisions is what the filters and scores say at this moment."""

import dataclasses
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from api.codec import decode, encode
from api.core import Node, Pod, PodCondition
from master.scheduler.cluster import Cluster
from master.scheduler.decision import Chooser
from master.scheduler.looks import Looks
from master.scheduler.nodestate import NodeState
from master.scheduler.picture import kept
from master.scheduler.profile import Profile
from master.scheduler.reading import Reads
from master.scheduler.scores import SCORES
from master.scheduler.wish import Wish
from tests.scheduler.made import choose, cluster, node, pod

TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
ZONE = "topology.kubernetes.io/zone"


def _node(name: str, chance: random.Random) -> Node:
    spec: dict[str, Any] = {"unschedulable": chance.random() < 0.1}
    if chance.random() < 0.2:
        spec["taints"] = [{**TAINT, "effect": chance.choice(["NoSchedule", "PreferNoSchedule"])}]
    labels = {ZONE: chance.choice("abc"), "disk": chance.choice(["ssd", "hdd"])}
    room = {"cpu": chance.choice(["1", "4"]), "pods": chance.choice(["3", "10"])}
    ready = [{"type": "Ready", "status": chance.choice(["True", "True", "True", "False"])}]
    return node(name, labels=labels, spec=spec, room=room, conditions=ready)


def _pod(name: str, chance: random.Random) -> Pod:
    spec: dict[str, Any] = {"cpu": chance.choice(["100m", "1", "3"])}
    if chance.random() < 0.3:
        spec["nodeSelector"] = {"disk": "ssd"}
    if chance.random() < 0.3:
        spec["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
    if chance.random() < 0.2:
        spec["ports"] = [{"containerPort": 80, "hostPort": chance.choice([80, 81])}]
    return pod(name, owner=chance.choice(["", "one", "two"]), **spec)


def _score(wish: Wish, state: NodeState) -> float:
    narrow = [one for one in SCORES if one.reads is not Reads.NEIGHBOURS and one.concerns(wish)]
    return sum(one.weight * one.rate(wish, state) for one in narrow)


def _change(places: Cluster, chance: random.Random, number: int) -> None:
    name = f"n{chance.randrange(8)}"
    if chance.random() < 0.1:
        places.remove_node(name)
    elif chance.random() < 0.4:
        places.set_node(_node(name, chance))
    else:
        places.remove(f"p{chance.randrange(number + 1)}")


@pytest.mark.parametrize("seed", range(10))
def test_what_was_found_out_is_what_holds_now(seed: int) -> None:
    chance = random.Random(seed)
    profile, places = Profile(), cluster(*(_node(f"n{at}", chance) for at in range(8)))
    chooser, looks = Chooser(places, profile), Looks(places, profile)
    for number in range(150):
        wish = Wish.of(_pod(f"p{number}", chance))
        look, fitting = looks.of(wish), set()
        for state in places.nodes.values():
            refusal, score = look.at(wish, state)
            assert refusal == profile.refusal(wish, state)
            if refusal is None:
                fitting.add(state.name)
                assert score == pytest.approx(_score(wish, state))
        choice = chooser.choose(wish)
        assert choice.node in (fitting or {""})
        if choice.node:
            places.place(wish, choice.node)
        else:
            assert choice.refusals.total() == len(places.nodes), "each node is told of once"
        _change(places, chance, number)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_of_a_pod_is_all_that_a_decision_reads(seed: int) -> None:
    item = _pod("p", random.Random(seed))
    item.spec.node_name, item.status.start_time = "n1", datetime(2026, 1, 1, tzinfo=UTC)
    item.metadata.annotations, item.status.pod_ip = {"a": "b"}, "192.0.2.1"
    item.status.conditions = [PodCondition(type=kind, status="False") for kind in ("Ready", "PodScheduled")]
    item.metadata.deletion_timestamp = item.status.start_time
    whole, less = Wish.of(item), kept(decode(encode(item), Pod))
    assert Wish.of(less).shape is whole.shape
    fields = {one.name for one in dataclasses.fields(Wish)}
    assert all(getattr(Wish.of(less), name) == getattr(whole, name) for name in fields)
    assert [one.type for one in less.status.conditions] == ["PodScheduled"], "which says why it waits"
    assert len(encode(less)) < len(encode(item))


def test_a_pod_that_names_its_node_is_told_of_all_others() -> None:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    wanted = pod(cpu="9", affinity={"nodeAffinity": required})
    reason = "1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector"
    assert choose(wanted, cluster(node("a"), node("b"), node("c"))).reason == f"0/3 nodes are available: {reason}."


def test_nodes_that_came_together_are_not_looked_at_together() -> None:
    places = cluster(*(node(f"n{at}", labels={ZONE: "ab"[at // 200]}) for at in range(400)))
    seen = {state.zone for state in places.round[:100]}
    assert seen == {"a", "b"}, "a hundred that follow each other are of both zones"
