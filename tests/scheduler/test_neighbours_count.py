"""Pods near and far: affinity and anti-affinity between pods, as filters and as scores."""

from typing import Any

import pytest

from api.core import Pod
from master.scheduler import scores
from master.scheduler.cluster import Cluster
from master.scheduler.decision import Chooser
from master.scheduler.looking import view_of
from master.scheduler.profile import Profile
from master.scheduler.terms import pod_terms
from master.scheduler.wish import Wish
from tests.scheduler.made import choose, cluster, node, pod, refusal

HOST, ZONE = "kubernetes.io/hostname", "zone"
NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_FAR = "node(s) didn't match pod anti-affinity rules"
SHUNNED = "node(s) didn't satisfy existing pods anti-affinity rules"
WEB, DB = {"app": "web"}, {"app": "db"}


def term(labels: dict[str, str] | None, key: str, **more: Any) -> dict[str, Any]:
    return {"topologyKey": key, **({} if labels is None else {"labelSelector": {"matchLabels": labels}}), **more}


def needs(kind: str, *terms: dict[str, Any]) -> dict[str, Any]:
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def near(*terms: dict[str, Any]) -> dict[str, Any]:
    return needs("podAffinity", *terms)


def far(*terms: dict[str, Any]) -> dict[str, Any]:
    return needs("podAntiAffinity", *terms)


def likes(kind: str, weight: int, wanted: dict[str, Any]) -> dict[str, Any]:
    wish = {"weight": weight, "podAffinityTerm": wanted}
    return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}}


def places(**pods: list[Pod]) -> Cluster:
    """Two nodes in zone a, one in zone b, one in none."""
    made = cluster(
        node("a1", labels={ZONE: "a"}),
        node("a2", labels={ZONE: "a"}),
        node("b1", labels={ZONE: "b"}),
        node("c1"),
        **pods,
    )
    made.tallies.set_space("other", {"team": "x"})
    return made


def refusals(one: Pod, there: Cluster) -> dict[str, str]:
    return {name: ", ".join(refusal(one, there, name)) for name in there.nodes}


@pytest.mark.parametrize(
    ("one", "there", "a1", "a2", "b1", "c1"),
    [
        # Near to a pod: in its zone, on its node; a node without the label is in no zone.
        (pod(**near(term(DB, ZONE))), {"a1": [pod("db", labels=DB)]}, "", "", NOT_NEAR, NOT_NEAR),
        (pod(**near(term(DB, HOST))), {"a1": [pod("db", labels=DB)]}, "", NOT_NEAR, NOT_NEAR, NOT_NEAR),
        (pod(**near(term(DB, ZONE))), {"c1": [pod("db", labels=DB)]}, NOT_NEAR, NOT_NEAR, NOT_NEAR, NOT_NEAR),
        (pod(**near(term(DB, ZONE))), {}, NOT_NEAR, NOT_NEAR, NOT_NEAR, NOT_NEAR),
        # The first of a group that wants to be together may begin anywhere that has the label.
        (pod(labels=DB, **near(term(DB, ZONE))), {}, "", "", "", NOT_NEAR),
        (pod(labels=DB, **near(term(DB, ZONE))), {"b1": [pod("db", labels=DB)]}, NOT_NEAR, NOT_NEAR, "", NOT_NEAR),
        # All terms must hold for the same pods.
        (
            pod(**near(term(DB, ZONE), term({"tier": "x"}, HOST))),
            {"a1": [pod("db", labels={**DB, "tier": "x"})]},
            "",
            NOT_NEAR,
            NOT_NEAR,
            NOT_NEAR,
        ),
        (
            pod(**near(term(DB, ZONE), term({"tier": "x"}, ZONE))),
            {"a1": [pod("db", labels=DB)], "a2": [pod("x", labels={"tier": "x"})]},
            NOT_NEAR,
            NOT_NEAR,
            NOT_NEAR,
            NOT_NEAR,
        ),
        # Far from a pod.
        (pod(**far(term(DB, ZONE))), {"a1": [pod("db", labels=DB)]}, NOT_FAR, NOT_FAR, "", ""),
        (pod(**far(term(DB, HOST))), {"a1": [pod("db", labels=DB)]}, NOT_FAR, "", "", ""),
        (pod(**far(term(DB, ZONE))), {"c1": [pod("db", labels=DB)]}, "", "", "", ""),
        (pod(labels=WEB, **far(term(WEB, HOST))), {}, "", "", "", ""),
        # And the other way round: a pod placed already does not want this one.
        (pod(labels=WEB), {"a1": [pod("db", **far(term(WEB, ZONE)))]}, SHUNNED, SHUNNED, "", ""),
        (pod(labels=DB), {"a1": [pod("db", **far(term(WEB, ZONE)))]}, "", "", "", ""),
        # A selector that is left out means no pod, an empty one means every pod.
        (pod(**far(term(None, ZONE))), {"a1": [pod("x")]}, "", "", "", ""),
        (pod(**far(term({}, ZONE))), {"a1": [pod("x")]}, NOT_FAR, NOT_FAR, "", ""),
        # Namespaces: the pod's own, those named, those with such labels, all.
        (pod(**far(term(DB, HOST))), {"a1": [pod("db", labels=DB, namespace="other")]}, "", "", "", ""),
        (
            pod(**far(term(DB, HOST, namespaces=["other"]))),
            {"a1": [pod("db", labels=DB, namespace="other")], "b1": [pod("mine", labels=DB)]},
            NOT_FAR,
            "",
            "",
            "",
        ),
        (
            pod(**far(term(DB, HOST, namespaceSelector={"matchLabels": {"team": "x"}}))),
            {"a1": [pod("db", labels=DB, namespace="other")], "b1": [pod("mine", labels=DB)]},
            NOT_FAR,
            "",
            "",
            "",
        ),
        (
            pod(**far(term(DB, HOST, namespaceSelector={}))),
            {"a1": [pod("db", labels=DB, namespace="other")], "b1": [pod("mine", labels=DB)]},
            NOT_FAR,
            "",
            NOT_FAR,
            "",
        ),
        (
            pod(**far(term(DB, HOST, namespaces=["default"], namespaceSelector={"matchLabels": {"team": "x"}}))),
            {"a1": [pod("db", labels=DB, namespace="other")], "b1": [pod("mine", labels=DB)]},
            NOT_FAR,
            "",
            NOT_FAR,
            "",
        ),
        # Labels of the pod itself.
        (
            pod(labels={"v": "2"}, **far(term(DB, HOST, matchLabelKeys=["v"]))),
            {"a1": [pod("x", labels={**DB, "v": "1"})], "b1": [pod("y", labels={**DB, "v": "2"})]},
            "",
            "",
            NOT_FAR,
            "",
        ),
        (
            pod(labels={"v": "2"}, **far(term(DB, HOST, mismatchLabelKeys=["v"]))),
            {"a1": [pod("x", labels={**DB, "v": "1"})], "b1": [pod("y", labels={**DB, "v": "2"})]},
            NOT_FAR,
            "",
            "",
            "",
        ),
    ],
)
def test_neighbours_rule_nodes_out(one: Pod, there: dict[str, list[Pod]], a1: str, a2: str, b1: str, c1: str) -> None:
    assert refusals(one, places(**there)) == {"a1": a1, "a2": a2, "b1": b1, "c1": c1}


@pytest.mark.parametrize(
    ("one", "there", "best"),
    [
        (pod(**likes("podAffinity", 10, term(DB, HOST))), {"b1": [pod("db", labels=DB)]}, {"b1"}),
        (pod(**likes("podAffinity", 10, term(DB, ZONE))), {"a1": [pod("db", labels=DB)]}, {"a1", "a2"}),
        (pod(**likes("podAntiAffinity", 10, term(DB, ZONE))), {"a1": [pod("db", labels=DB)]}, {"b1", "c1"}),
        # A pod placed already would like this one near, or far; one that needed it counts a little too.
        (pod(labels=WEB), {"b1": [pod("x", **likes("podAffinity", 10, term(WEB, HOST)))]}, {"b1"}),
        (pod(labels=WEB), {"a1": [pod("x", **likes("podAntiAffinity", 10, term(WEB, ZONE)))]}, {"b1", "c1"}),
        (pod(labels=WEB), {"b1": [pod("x", labels=WEB, **near(term(WEB, ZONE)))]}, {"b1"}),
        (pod(), {"b1": [pod("x", **likes("podAffinity", 10, term(WEB, HOST)))]}, {"a1", "a2", "b1", "c1"}),
    ],
)
def test_neighbours_make_nodes_better(one: Pod, there: dict[str, list[Pod]], best: set[str]) -> None:
    made = places(**there)
    wish = Wish.of(one)
    wish.view = view_of(wish, made)
    rated = {name: scores.pod_affinity(wish, state) for name, state in made.nodes.items()}
    assert {name for name, value in rated.items() if value == max(rated.values())} == best


def test_the_wish_for_a_neighbour_decides() -> None:
    made = places(b1=[pod("db", labels=DB, cpu="1")])
    assert choose(pod(**likes("podAffinity", 100, term(DB, HOST))), made).node == "b1"
    assert choose(pod(**likes("podAntiAffinity", 100, term(DB, HOST))), made).node != "b1"


def test_counts_follow_pods_nodes_and_namespaces() -> None:
    made = places()
    one = pod(**far(term(DB, ZONE, namespaceSelector={"matchLabels": {"team": "x"}})))
    assert set(refusals(one, made).values()) == {""}
    made.place(Wish.of(pod("db", labels=DB, namespace="other")), "a1")
    assert refusals(one, made) == {"a1": NOT_FAR, "a2": NOT_FAR, "b1": "", "c1": ""}
    made.set_node(node("a1", labels={ZONE: "b"}))
    assert refusals(one, made) == {"a1": NOT_FAR, "a2": "", "b1": NOT_FAR, "c1": ""}
    made.tallies.set_space("other", {"team": "y"})
    assert set(refusals(one, made).values()) == {""}
    made.tallies.set_space("other", {"team": "x"})
    made.remove_node("a1")
    assert set(refusals(one, made).values()) == {""}
    made.set_node(node("a1", labels={ZONE: "a"}))
    assert refusals(one, made) == {"a1": NOT_FAR, "a2": NOT_FAR, "b1": "", "c1": ""}
    made.remove("db")
    assert set(refusals(one, made).values()) == {""}


def test_what_pods_hold_against_others_goes_with_them_and_moves_with_their_node() -> None:
    made = places(a1=[pod("db", **far(term(WEB, ZONE)))])
    made.set_node(node("a1", labels={ZONE: "b"}))
    assert refusals(pod(labels=WEB), made) == {"a1": SHUNNED, "a2": "", "b1": SHUNNED, "c1": ""}
    made.remove("db")
    assert set(refusals(pod(labels=WEB), made).values()) == {""}


def test_a_group_that_keeps_apart_fills_each_node_once() -> None:
    made = places()
    for number in range(4):
        one = pod(f"w{number}", labels=WEB, **far(term(WEB, HOST)))
        made.place(Wish.of(one), choose(one, made).node)
    assert [len(state.pods) for state in made.nodes.values()] == [1, 1, 1, 1]
    reason = choose(pod("w5", labels=WEB, **far(term(WEB, HOST))), made).reason
    assert reason == f"0/4 nodes are available: 4 {NOT_FAR}."


def test_a_node_with_several_things_against_it_is_counted_for_the_first() -> None:
    made = places(a1=[pod("db", labels=DB)])
    chooser = Chooser(made, Profile())
    full = pod("web", labels=WEB, cpu="5", **far(term(DB, ZONE)))
    reasons = {chooser.choose(Wish.of(full)).reason for _ in range(3)}
    assert reasons == {"0/4 nodes are available: 4 Insufficient cpu."}


def test_pods_of_one_template_hold_one_set_of_terms() -> None:
    one, other = (Wish.of(pod(name, labels=WEB, **far(term(WEB, HOST)))) for name in ("a", "b"))
    assert one.shape is other.shape
    assert one.terms is other.terms
    assert pod_terms(None, [], "default", {}).near == ()
