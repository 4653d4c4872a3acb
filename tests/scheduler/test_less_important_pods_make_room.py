"""Preemption: who has to go, where, and when nobody does."""

from collections import Counter
from typing import Any

import pytest

from api.codec import convert
from api.core import Pod
from api.policy import PodDisruptionBudget
from api.scalars import now
from api.selectors import from_map
from master.scheduler.budgets import Budget, breaking, budgets_of
from master.scheduler.cluster import Cluster
from master.scheduler.decision import Chooser
from master.scheduler.preemption import Plan, Victims, harm, plan
from master.scheduler.profile import Profile
from master.scheduler.wish import Wish
from tests.scheduler.made import cluster, node, pod

VITAL = 1000
NO_HELP = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


def worth(name: str, priority: int, cpu: str = "2", **more: Any) -> Pod:
    return pod(name, cpu=cpu, priority=priority, **more)


def planned(one: Pod, there: Cluster, *budgets: Budget) -> Plan:
    wish, profile = Wish.of(one), Profile()
    chooser = Chooser(there, profile)
    choice = chooser.choose(wish)
    assert not choice.node, "it fits as it is"
    before = {name: (state.requested.copy(), set(state.pods)) for name, state in there.nodes.items()}
    found = plan(wish, there, profile, choice.refusals, chooser.refusal, budgets)
    after = {name: (state.requested, set(state.pods)) for name, state in there.nodes.items()}
    assert after == before, "thinking changes nothing"
    return found


def wants(cpu: str = "2", priority: int = VITAL, **more: Any) -> Pod:
    return pod("new", cpu=cpu, priority=priority, **more)


@pytest.mark.parametrize(
    ("pods", "chosen", "victims"),
    [
        # The node where the most important victim is least important.
        ({"a": [worth("a1", 5, "4")], "b": [worth("b1", 3, "4")]}, "b", {"b1"}),
        # Then the least sum of priorities: fewer victims.
        ({"a": [worth("a1", 3), worth("a2", 2)], "b": [worth("b1", 3, "4")]}, "a", {"a2"}),
        # No more than needed: the least important one is enough.
        ({"a": [worth("a1", 3), worth("a2", 1)], "b": [worth("b1", VITAL, "4")]}, "a", {"a2"}),
        # Whatever the order in which they came.
        ({"a": [worth("a2", 1), worth("a1", 3)], "b": [worth("b1", VITAL, "4")]}, "a", {"a2"}),
        # Pods as important as the new one stay.
        ({"a": [worth("a1", VITAL), worth("a2", 1)], "b": [worth("b1", VITAL, "4")]}, "a", {"a2"}),
        # Two small ones go for one large.
        (
            {"a": [worth("a1", 1, "1"), worth("a2", 1, "1"), worth("a3", VITAL)], "b": [worth("b1", VITAL, "4")]},
            "a",
            {"a1", "a2"},
        ),
    ],
)
def test_the_least_harm_is_done(pods: dict[str, list[Pod]], chosen: str, victims: set[str]) -> None:
    found = planned(wants(), cluster(node("a"), node("b"), **pods))
    assert (found.node, {one.name for one in found.victims}) == (chosen, victims)


@pytest.mark.parametrize("more", [[worth("b1", 3), worth("b2", 1)], [worth("b1", 3, "4")]])
def test_where_all_must_go_the_sum_of_priorities_decides_and_each_pod_weighs(more: list[Pod]) -> None:
    """Also one of a priority below 0."""
    second = worth("a2", 2 if len(more) > 1 else -9)
    found = planned(wants("4"), cluster(node("a"), node("b"), a=[worth("a1", 3), second], b=more))
    assert (found.node, len(found.victims)) == ("b", len(more))


def test_of_equal_harm_the_youngest_go() -> None:
    old, young = worth("old", 1, "4"), worth("young", 1, "4")
    old.status.start_time = now().replace(year=2001)
    young.status.start_time = now().replace(year=2002)
    assert planned(wants(), cluster(node("a"), node("b"), a=[old], b=[young])).node == "b"
    assert harm(Victims([Wish.of(young)])) < harm(Victims([Wish.of(old)]))


@pytest.mark.parametrize(
    ("one", "pods", "reason"),
    [
        (wants(), {"a": [worth("a1", VITAL, "4")], "b": [worth("b1", VITAL, "4")]}, f"2 {NO_VICTIMS}"),
        (wants("5"), {"a": [worth("a1", 1)], "b": [worth("b1", 1)]}, f"2 {NO_HELP}"),
        (wants("5"), {"a": [worth("a1", VITAL)]}, f"2 {NO_HELP}"),
        (
            wants(nodeSelector={"kubernetes.io/hostname": "a"}),
            {"a": [worth("a1", VITAL, "4")]},
            f"1 {NO_VICTIMS}, 1 {NO_HELP}",
        ),
        (
            wants("3"),
            {"a": [worth("a1", VITAL), worth("a2", 1)], "b": [worth("b1", VITAL, "4")]},
            f"1 Insufficient cpu, 1 {NO_VICTIMS}",
        ),
    ],
)
def test_where_it_would_not_help_nobody_goes_and_it_is_said(one: Pod, pods: dict[str, list[Pod]], reason: str) -> None:
    found = planned(one, cluster(node("a"), node("b"), **pods))
    assert (found.node, found.victims) == ("", ())
    assert found.reason == f"preemption: 0/2 nodes are available: {reason}."


def test_a_pod_that_must_not_preempt_waits() -> None:
    found = planned(wants(preemptionPolicy="Never"), cluster(node("a"), a=[worth("a1", 1, "4")]))
    assert found == Plan(reason="preemption: not eligible due to preemptionPolicy=Never.")


def test_while_its_victims_end_no_more_go() -> None:
    leaving, other = worth("a1", 1, "4"), worth("b1", 1, "4")
    leaving.metadata.deletion_timestamp = now()
    there = cluster(node("a"), node("b"), a=[leaving], b=[other])
    there.nominate(Wish.of(wants()), "a")
    found = planned(wants(), there)
    assert found.keeps
    assert (found.node, found.victims) == ("", ())
    assert found.reason == "preemption: not eligible due to a terminating pod on the nominated node."


def test_victims_of_a_node_that_does_not_do_any_more_are_not_waited_for() -> None:
    leaving = worth("a1", 1, "4")
    leaving.metadata.deletion_timestamp = now()
    there = cluster(node("a"), node("b"), a=[leaving], b=[worth("b1", 1, "4")])
    there.nominate(Wish.of(wants()), "a")
    there.set_node(node("a", spec={"unschedulable": True}))
    found = planned(wants(), there)
    assert (found.keeps, found.node, [one.name for one in found.victims]) == (False, "b", ["b1"])


@pytest.mark.parametrize(
    ("one", "there", "victims"),
    [
        (
            wants("1", ports=[{"containerPort": 80, "hostPort": 80}]),
            [worth("x", 1, "1", ports=[{"containerPort": 80, "hostPort": 80}]), worth("y", 0, "1")],
            {"x"},
        ),
        (wants("1", labels={"app": "web"}), "shunning", {"x"}),
    ],
)
def test_pods_go_for_ports_and_for_what_they_hold_against_others(
    one: Pod, there: list[Pod] | str, victims: set[str]
) -> None:
    if there == "shunning":
        term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
        affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        there = [worth("x", 1, "1", affinity=affinity), worth("y", 0, "1")]
    assert not isinstance(there, str)
    found = planned(one, cluster(node("a"), a=there))
    assert {victim.name for victim in found.victims} == victims


def test_room_that_is_being_made_is_left_to_the_one_it_is_made_for() -> None:
    there = cluster(node("a"))
    there.nominate(Wish.of(wants("4")), "a")
    chooser = Chooser(there, Profile())
    lesser, greater = (Wish.of(worth(name, priority)) for name, priority in (("l", 1), ("g", VITAL + 1)))
    assert chooser.choose(lesser).node == "", "as important or less: it keeps away"
    assert chooser.choose(greater).node == "a", "more important: it may take it"
    assert chooser.choose(Wish.of(wants("4"))).node == "a", "the one it is made for"
    there.unnominate("new")
    assert chooser.choose(lesser).node == "a"


def test_refusals_alone_say_how_many_nodes_could_be_cured() -> None:
    there = cluster(node("a"), node("b", room={"cpu": "1"}), a=[worth("x", VITAL, "4")])
    chooser = Chooser(there, Profile())
    choice = chooser.choose(Wish.of(wants()))
    assert Counter(refusal.curable for refusal in choice.refusals.elements()) == {True: 1, False: 1}


def budget(allowed: int, app: str = "kept", *, going: tuple[str, ...] = (), namespace: str = "default") -> Budget:
    document = {
        "metadata": {"name": "b", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": app}} if app else {}},
        "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(going, "2026-01-01T00:00:00Z")},
    }
    found = budgets_of([convert(document, PodDisruptionBudget)])
    return found[0] if found else Budget(namespace, from_map({"no": "pod"}), 0, frozenset())


KEPT = {"app": "kept"}


@pytest.mark.parametrize(
    ("budgets", "pods", "chosen", "victims"),
    [
        # A spent budget is spared, though its pod is less important.
        ([budget(0)], {"a": [worth("a1", 1, "4", labels=KEPT)], "b": [worth("b1", 9, "4")]}, "b", {"b1"}),
        # One that has room is not in the way.
        ([budget(1)], {"a": [worth("a1", 1, "4", labels=KEPT)], "b": [worth("b1", 9, "4")]}, "a", {"a1"}),
        # On one node the pod of the spent budget stays, and the more important one goes.
        (
            [budget(0)],
            {"a": [worth("a1", 1, labels=KEPT), worth("a2", 9)], "b": [worth("b1", VITAL, "4")]},
            "a",
            {"a2"},
        ),
        # When nothing else helps it is broken.
        ([budget(0)], {"a": [worth("a1", 1, "4", labels=KEPT)], "b": [worth("b1", VITAL, "4")]}, "a", {"a1"}),
        # The one goes that it allows for, and the other stays.
        (
            [budget(1)],
            {"a": [worth("a1", 1, labels=KEPT), worth("a2", 1, labels=KEPT)], "b": [worth("b1", 9, "4", labels=KEPT)]},
            "a",
            {"a1"},
        ),
    ],
)
def test_budgets_are_spared_where_that_is_possible(
    budgets: list[Budget], pods: dict[str, list[Pod]], chosen: str, victims: set[str]
) -> None:
    found = planned(wants(), cluster(node("a"), node("b"), **pods), *budgets)
    assert (found.node, {one.name for one in found.victims}) == (chosen, victims)


@pytest.mark.parametrize(
    ("budgets", "broken"),
    [
        ([budget(0)], {"x", "y"}),
        ([budget(1)], {"y"}),
        ([budget(2)], set()),
        ([budget(0), budget(2)], {"x", "y"}),
        ([budget(0, going=("x",))], {"y"}),
        ([budget(0, "other")], set()),
        ([budget(0, "")], set()),
        ([budget(0, namespace="elsewhere")], set()),
    ],
)
def test_who_breaks_a_budget(budgets: list[Budget], broken: set[str]) -> None:
    wishes = [Wish.of(worth(name, 1, labels=KEPT)) for name in "xy"]
    assert breaking(wishes, budgets) == broken
