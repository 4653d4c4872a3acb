"""Picks, with a clock of our own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netproxy.balancer import SUSPECT_S, Balancer
from netproxy.services import Endpoint

A, B, C = ("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80)


def balancer(*endpoints: Endpoint, affinity_s: float | None = None, max_pins: int = 100) -> Balancer:
    made = Balancer(max_pins=max_pins)
    made.update(endpoints, affinity_s)
    return made


def test_endpoints_take_turns() -> None:
    b = balancer(A, B, C)
    assert [b.pick("x", 0) for _ in range(5)] == [A, B, C, A, B]


def test_without_endpoints_there_is_no_pick() -> None:
    assert balancer().pick("x", 0) is None


def test_what_was_tried_is_not_picked() -> None:
    b = balancer(A, B)
    assert b.pick("x", 0, tried={A}) == B
    assert b.pick("x", 0, tried={A, B}) is None


def test_the_round_goes_on_when_endpoints_change() -> None:
    b = balancer(A, B)
    assert b.pick("x", 0) == A
    b.update((A, B, C), None)
    assert [b.pick("x", 0) for _ in range(3)] == [B, C, A]


def test_the_round_goes_on_when_the_next_endpoint_vanishes() -> None:
    b = balancer(A, B, C)
    assert b.pick("x", 0) == A
    b.update((A, C), None)
    assert b.pick("x", 0) == C


def test_a_failed_endpoint_is_asked_last_for_a_while() -> None:
    b = balancer(A, B)
    b.failed(A, 0)
    assert [b.pick("x", 1) for _ in range(3)] == [B, B, B]
    assert b.pick("x", 1, tried={B}) == A
    assert A in [b.pick("x", SUSPECT_S + 0.1) for _ in range(2)]


def test_the_round_goes_on_behind_the_endpoint_that_took_over() -> None:
    b = balancer(A, B, C)
    assert b.pick("x", 0) == A
    assert b.pick("x", 0, tried={A, B}) == C
    assert [b.pick("x", 0) for _ in range(2)] == [A, B]


def test_suspects_take_turns_when_there_is_no_better() -> None:
    b = balancer(A, B, C)
    for endpoint in (A, B, C):
        b.failed(endpoint, 0)
    assert [b.pick("x", 1) for _ in range(4)] == [A, B, C, A]


def test_affinity_keeps_a_client_and_spreads_clients() -> None:
    b = balancer(A, B, affinity_s=10)
    assert [b.pick("x", t) for t in range(3)] == [A, A, A]
    assert [b.pick("y", t) for t in range(3)] == [B, B, B]


def test_affinity_ends_when_the_client_was_away_too_long() -> None:
    b = balancer(A, B, affinity_s=10)
    assert b.pick("x", 0) == A
    assert b.pick("x", 9) == A
    assert b.pick("x", 18) == A
    assert b.pick("x", 28) == B


def test_a_new_timeout_holds_for_pins_that_exist() -> None:
    b = balancer(A, B, affinity_s=10_800)
    assert b.pick("x", 0) == A
    b.update((A, B), 5)
    assert b.pick("x", 6) == B
    b.update((A, B), 100)
    assert b.pick("x", 100) == B


def test_affinity_survives_an_empty_endpoint_list() -> None:
    b = balancer(A, B, affinity_s=60)
    b.pick("other", 0)
    assert b.pick("x", 0) == B
    b.update((), 60)
    assert b.pick("x", 1) is None
    b.update((A, B), 60)
    assert b.pick("x", 2) == B


def test_affinity_works_for_a_service_made_before_its_endpoints() -> None:
    b = balancer(affinity_s=60)
    assert b.pick("x", 0) is None
    b.update((A, B), 60)
    assert [b.pick("x", 1), b.pick("x", 2)] == [A, A]


def test_a_pin_dies_with_its_endpoint_and_does_not_come_back() -> None:
    b = balancer(A, B, affinity_s=60)
    assert b.pick("x", 0) == A
    b.update((B,), 60)
    assert b.pick("x", 1) == B
    b.update((A, B), 60)
    assert b.pick("x", 2) == B


def test_a_pin_moves_when_its_endpoint_refuses() -> None:
    b = balancer(A, B, affinity_s=60)
    assert b.pick("x", 0) == A
    assert b.pick("x", 1, tried={A}) == B
    assert b.pick("x", 2) == B


def test_without_affinity_pins_are_forgotten() -> None:
    b = balancer(A, affinity_s=60)
    b.pick("x", 0)
    b.update((A,), None)
    assert b.pins == 0


def test_the_client_seen_longest_ago_loses_its_pin_when_there_are_too_many() -> None:
    b = balancer(A, B, affinity_s=1000, max_pins=2)
    assert [b.pick("x", 0), b.pick("y", 1), b.pick("x", 2), b.pick("z", 3)] == [A, B, A, A]
    assert b.pins == 2
    assert b.pick("x", 4) == A


@given(
    st.lists(st.sampled_from([A, B, C]), unique=True, min_size=1),
    st.integers(1, 10_000),
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 20_000)), max_size=50),
)
def test_a_client_never_changes_within_the_timeout(
    endpoints: list[Endpoint], timeout_s: int, visits: list[tuple[str, int]]
) -> None:
    b = balancer(*endpoints, affinity_s=timeout_s)
    last: dict[str, tuple[Endpoint | None, int]] = {}
    now = 0
    for client, pause in visits:
        now += pause
        endpoint = b.pick(client, now)
        assert endpoint in endpoints
        if client in last and now - last[client][1] < timeout_s:
            assert endpoint == last[client][0]
        last[client] = (endpoint, now)
