"""Topology spread constraints."""

from typing import Any

import pytest

from api.core import Pod
from api.scalars import now
from master.scheduler import scores
from master.scheduler.cluster import Cluster
from master.scheduler.looking import view_of
from master.scheduler.wish import Wish
from tests.scheduler.made import choose, cluster, node, pod, refusal

ZONE, HOST = "zone", "kubernetes.io/hostname"
UNEVEN = "node(s) didn't match pod topology spread constraints"
MISSING = f"{UNEVEN} (missing required label)"
WEB = {"app": "web"}


def spread(key: str = ZONE, skew: int = 1, **more: Any) -> dict[str, Any]:
    selector = {"labelSelector": {"matchLabels": WEB}} if "labelSelector" not in more else {}
    return {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", **selector, **more}


def web(name: str = "p", *constraints: dict[str, Any], **more: Any) -> Pod:
    return pod(name, labels={**WEB, **more.pop("labels", {})}, topologySpreadConstraints=list(constraints), **more)


def webs(count: int, of: str, **more: Any) -> list[Pod]:
    return [web(f"{of}{number}", **more) for number in range(count)]


def places(a: int = 0, b: int = 0, c: int = 0, **more: list[Pod]) -> Cluster:
    """Three zones of one node each with so many pods, and a node without a zone."""
    zones = {name: webs(count, name) for name, count in (("a", a), ("b", b), ("c", c))}
    named = [node(name, labels={ZONE: name, "disk": "ssd"}) for name in ("a", "b")]
    tainted = node("c", labels={ZONE: "c"}, spec={"taints": [{"key": "gpu", "effect": "NoSchedule"}]})
    return cluster(*named, tainted, node("nowhere"), **{**zones, **more})


def racked() -> Cluster:
    """Three zones, the last of which has no racks; and no pod there."""
    racks = [node(name, labels={ZONE: name, "rack": name}) for name in ("a", "b")]
    return cluster(*racks, node("c", labels={ZONE: "c"}), a=webs(1, "a"), b=webs(1, "b"))


BEARS = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("one", "there", "a", "b", "c"),
    [
        (web("p", spread(), **BEARS), places(), "", "", ""),
        (web("p", spread(), **BEARS), places(a=1), UNEVEN, "", ""),
        (web("p", spread(skew=2), **BEARS), places(a=1), "", "", ""),
        (web("p", spread(skew=2), **BEARS), places(a=2, b=1), UNEVEN, "", ""),
        (web("p", spread(), **BEARS), places(a=2, b=1, c=1), UNEVEN, "", ""),
        # A pod that its own selector does not mean adds nothing.
        (pod(topologySpreadConstraints=[spread()], **BEARS), places(a=1), "", "", ""),
        (pod(topologySpreadConstraints=[spread()], **BEARS), places(a=2), UNEVEN, "", ""),
        # Pods on nodes without the label do not count; a selector that is left out means no pod.
        (web("p", spread(), **BEARS), places(nowhere=webs(3, "x")), "", "", ""),
        (web("p", spread(labelSelector=None), **BEARS), places(a=3), "", "", ""),
        # Tainted nodes count unless the policy says otherwise: their zone is empty, and stays so.
        (web("p", spread()), places(a=1, b=1), UNEVEN, UNEVEN, "node(s) had untolerated taint {gpu: }"),
        (web("p", spread(nodeTaintsPolicy="Honor")), places(a=1, b=1), "", "", "node(s) had untolerated taint {gpu: }"),
        # Nodes that the selector rules out do not count unless the policy says so.
        (
            web("p", spread(), nodeSelector={"disk": "ssd"}, **BEARS),
            places(a=1, b=1),
            "",
            "",
            "node(s) didn't match Pod's node affinity/selector",
        ),
        (
            web("p", spread(nodeAffinityPolicy="Ignore"), nodeSelector={"disk": "ssd"}, **BEARS),
            places(a=1, b=1),
            UNEVEN,
            UNEVEN,
            "node(s) didn't match Pod's node affinity/selector",
        ),
        # With fewer domains than wanted, the emptiest one counts as empty.
        (web("p", spread(minDomains=3), **BEARS), places(a=1, b=1, c=1), "", "", ""),
        (web("p", spread(minDomains=4), **BEARS), places(a=1, b=1, c=1), UNEVEN, UNEVEN, UNEVEN),
        # All constraints must hold.
        (web("p", spread(), spread(HOST, 3), **BEARS), places(a=1), UNEVEN, "", ""),
        (web("p", spread(skew=9), spread(HOST, 2), **BEARS), places(b=2), "", UNEVEN, ""),
        # A node that lacks a key of any constraint counts for none: its zone is no domain, its pods are nobody's.
        (web("p", spread(), spread("rack", 9)), racked(), "", "", MISSING),
        # Only pods of the same revision.
        (
            web("p", spread(matchLabelKeys=["v"]), labels={"v": "2"}, **BEARS),
            places(a=2),
            "",
            "",
            "",
        ),
    ],
)
def test_an_uneven_domain_is_left_out(one: Pod, there: Cluster, a: str, b: str, c: str) -> None:
    assert {name: ", ".join(refusal(one, there, name)) for name in "abc"} == {"a": a, "b": b, "c": c}


def test_a_node_without_the_label_is_no_place() -> None:
    assert refusal(web("p", spread()), places(), "nowhere") == (MISSING,)


def test_pods_that_end_count_no_more_and_other_namespaces_never() -> None:
    there = places(a=1)
    gone = web("a0")
    gone.metadata.deletion_timestamp = now()
    assert refusal(web("p", spread(), **BEARS), there, "a") == (UNEVEN,)
    there.place(Wish.of(gone), "a")
    assert refusal(web("p", spread(), **BEARS), there, "a") == ()
    there.place(Wish.of(web("far", namespace="other")), "a")
    assert refusal(web("p", spread(), **BEARS), there, "a") == ()


def test_pods_come_out_even() -> None:
    there = places()
    for number in range(9):
        one = web(f"p{number}", spread(), **BEARS)
        there.place(Wish.of(one), choose(one, there).node)
    assert [len(there.nodes[name].pods) for name in "abc"] == [3, 3, 3]


def test_a_soft_constraint_prefers_and_never_refuses() -> None:
    soft = spread(whenUnsatisfiable="ScheduleAnyway")
    there = places(a=2, b=1)
    wish = Wish.of(web("p", soft, **BEARS))
    wish.view = view_of(wish, there)
    rated = {name: scores.topology_spread(wish, there.nodes[name]) for name in ("c", "b", "a", "nowhere")}
    assert sorted(rated, key=rated.__getitem__) == ["c", "b", "a", "nowhere"], "less is better"
    for number in range(6):
        one = web(f"p{number}", soft, **BEARS)
        there.place(Wish.of(one), choose(one, there).node)
    assert [len(there.nodes[name].pods) for name in "abc"] == [3, 3, 3]
    assert not choose(web("q", soft), cluster(node("only"))).reason
