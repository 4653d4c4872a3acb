"""Taints, zones and attention, purely: no master, and a clock that the test sets."""

import pytest

from api.codec import convert
from api.core import Node
from master.controllers.heartbeats import Attention
from master.controllers.taints import NOT_READY, UNREACHABLE, wanted
from master.controllers.zones import Limits, State, Zones, rate_of, state_of, zone_of
from tests.controllers.made import NOW, node

LIMITS = Limits(rate=0.1, secondary_rate=0.01, unhealthy_share=0.55, large_zone=50)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def tainted(status: str | None, *taints: tuple[str, str], unschedulable: bool = False, **pressures: str) -> Node:
    item = node(ready=status)
    made = [{"type": kind, "status": value} for kind, value in pressures.items()]
    document = {
        "metadata": {"name": "n1"},
        "spec": {
            "unschedulable": unschedulable,
            "taints": [{"key": key, "effect": effect, "value": "kept"} for key, effect in taints],
        },
        "status": {"conditions": [{"type": c.type, "status": c.status} for c in item.status.conditions] + made},
    }
    return convert(document, Node)


def marks(item: Node, *, give_up: bool = False, spare: bool = False) -> set[tuple[str, str]] | None:
    found = wanted(item, give_up=give_up, spare=spare, moment=NOW)
    return None if found is None else {(taint.key.removeprefix("node.kubernetes.io/"), taint.effect) for taint in found}


def test_a_node_that_is_well_has_no_taints() -> None:
    assert marks(tainted("True")) is None
    assert marks(tainted(None)) is None, "one that has said nothing yet has not failed either"
    assert marks(tainted("True", (UNREACHABLE, "NoExecute"), (NOT_READY, "NoSchedule"))) == set()


def test_conditions_become_taints() -> None:
    assert marks(tainted("False")) == {("not-ready", "NoSchedule")}
    assert marks(tainted("Unknown")) == {("unreachable", "NoSchedule")}
    pressures = {"MemoryPressure": "True", "DiskPressure": "True", "PIDPressure": "True", "NetworkUnavailable": "True"}
    keys = ("memory-pressure", "disk-pressure", "pid-pressure", "network-unavailable")
    assert marks(tainted("True", **pressures)) == {(key, "NoSchedule") for key in keys}
    assert marks(tainted("True", MemoryPressure="Unknown", DiskPressure="False")) is None
    assert marks(tainted("True", unschedulable=True)) == {("unschedulable", "NoSchedule")}


def test_others_taints_are_left_alone() -> None:
    found = wanted(tainted("False", ("own", "NoExecute")), give_up=False, spare=False, moment=NOW)
    assert found is not None
    assert ("own", "NoExecute", "kept") in {(taint.key, taint.effect, taint.value) for taint in found}


def test_driving_away_begins_when_told_and_goes_on_until_the_node_is_back() -> None:
    both = {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
    assert marks(tainted("Unknown"), give_up=True) == both
    begun = ((UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute"))
    assert marks(tainted("Unknown", *begun)) is None
    assert marks(tainted("False", *begun)) == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
    assert marks(tainted("Unknown", *begun), spare=True) == {("unreachable", "NoSchedule")}
    assert marks(tainted("True"), give_up=True) is None, "it has come back meanwhile"


@pytest.mark.parametrize(
    ("ready", "away", "state"),
    [
        (10, 0, State.NORMAL),
        (0, 0, State.NORMAL),
        (0, 1, State.FULL),
        (1, 2, State.NORMAL),
        (2, 3, State.PARTIAL),
        (45, 55, State.PARTIAL),
        (46, 54, State.NORMAL),
    ],
)
def test_how_much_of_a_zone_is_away(ready: int, away: int, state: State) -> None:
    assert state_of(ready, away, LIMITS) is state


def test_rates_are_those_of_kubernetes() -> None:
    assert rate_of(State.NORMAL, 10, LIMITS) == rate_of(State.FULL, 1000, LIMITS) == 0.1
    assert rate_of(State.PARTIAL, 50, LIMITS) == 0
    assert rate_of(State.PARTIAL, 51, LIMITS) == 0.01


def zoned(ready: int, away: int, zone: str = "z") -> list[tuple[str, str, bool]]:
    return [(f"{zone}{number}", zone, number < ready) for number in range(ready + away)]


def lost(*zones: list[tuple[str, str, bool]]) -> list[str]:
    return [name for zone in zones for name, _, ready in zone if not ready]


def test_one_node_goes_at_once_and_then_one_in_ten_seconds() -> None:
    clock = Clock()
    zones, nodes = Zones(LIMITS, clock), zoned(10, 4)
    left = lost(nodes)
    gone_at: list[float] = []
    for _ in range(60):
        zones.review(nodes, left)
        for name in zones.take():
            gone_at.append(clock.now_s - 1000)
            left.remove(name)
        clock.now_s += 1
    assert gone_at == [0, 10, 20, 30]


def test_each_zone_has_its_own_pace() -> None:
    clock = Clock()
    zones, west, east = Zones(LIMITS, clock), zoned(10, 2, "w"), zoned(10, 2, "e")
    zones.review(west + east, lost(west, east))
    assert sorted(zones.take()) == ["e10", "w10"]


def test_a_small_zone_that_is_mostly_away_is_left_alone_until_enough_are_back() -> None:
    clock = Clock()
    zones, nodes = Zones(LIMITS, clock), zoned(1, 3)
    assert zones.review(nodes, lost(nodes)) == {"z": State.PARTIAL}
    for _ in range(3):
        zones.review(nodes, lost(nodes))
        assert zones.take() == []
        clock.now_s += 1000
    better = zoned(3, 1)
    assert zones.review(better, lost(better)) == {"z": State.NORMAL}
    assert zones.take() == ["z3"]


def test_a_zone_that_is_away_as_a_whole_is_given_up_while_others_stand() -> None:
    zones, west, east = Zones(LIMITS, Clock()), zoned(0, 3, "w"), zoned(3, 0, "e")
    zones.review(west + east, lost(west))
    assert zones.take() == ["w0"]
    assert not zones.stopped


def test_nothing_is_given_up_when_all_zones_are_away() -> None:
    zones, west, east = Zones(LIMITS, Clock()), zoned(0, 3, "w"), zoned(0, 3, "e")
    zones.review(west + east, lost(west, east))
    assert zones.stopped
    assert zones.take() == []


def test_who_is_back_waits_no_more() -> None:
    clock = Clock()
    zones, nodes = Zones(LIMITS, clock), zoned(10, 3)
    zones.review(nodes, lost(nodes))
    assert zones.take() == ["z10"]
    zones.review(zoned(12, 1), ["z12"])
    clock.now_s += 10
    zones.review(zoned(12, 1), ["z12"])
    assert zones.take() == ["z12"]


def test_a_fast_rate_is_reached_with_slow_rounds() -> None:
    clock = Clock()
    zones, nodes = Zones(Limits(rate=2, secondary_rate=0, unhealthy_share=0.55, large_zone=0), clock), zoned(100, 30)
    zones.review(nodes, lost(nodes))
    zones.take()
    clock.now_s += 5
    zones.review(nodes, lost(nodes)[1:])
    assert len(zones.take()) == 10


def test_zones_are_named_by_region_and_zone() -> None:
    labels = {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"}
    assert zone_of(convert({"metadata": {"name": "n", "labels": labels}}, Node)) == "r:z"
    assert zone_of(node()) == ":"


def test_a_gap_of_ones_own_is_noticed_and_starts_the_count_anew() -> None:
    clock = Clock()
    attention = Attention(20, clock)
    for _ in range(10):
        clock.now_s += 5
        assert attention.look()
    assert attention.steady_s() == 50
    clock.now_s += 25
    assert attention.steady_s() == 0, "before anybody has looked"
    assert not attention.look(), "held up for longer than 20 s"
    assert attention.steady_s() == 0
    clock.now_s += 5
    assert attention.look()
    assert attention.steady_s() == 5
    attention.lose()
    assert attention.steady_s() == 0
