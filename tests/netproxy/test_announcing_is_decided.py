"""Which addresses a node answers for, by plain values; and what it says on the network."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from netproxy.announcing.arp import REPLY, Packet, build, parse
from netproxy.announcing.election import BEAT_S, FENCE_S, LEASE_S, Seen, decide, next_look_s

A, B = "192.0.2.7", "192.0.2.8"
SEEN = Seen(
    me="n1", now=100.0, renewed_at=99.5, wanted=frozenset({A}), present=frozenset(), holders={}, beats={}
)  # fmt: skip


def test_what_nobody_holds_is_claimed_and_not_had_before() -> None:
    plan = decide(SEEN)
    assert plan.claim == {A}
    assert plan.hold == frozenset()


def test_what_another_holds_is_left_to_it_and_given_up() -> None:
    plan = decide(replace(SEEN, holders={A: "n2"}, beats={"n2": 99.0}, present=frozenset({A})))
    assert (plan.hold, plan.claim) == (frozenset(), frozenset())


def test_what_a_silent_node_holds_is_claimed_when_its_lease_has_ended() -> None:
    dead = replace(SEEN, holders={A: "n2"}, beats={"n2": SEEN.now - LEASE_S + 0.1})
    assert decide(dead).claim == frozenset()
    assert next_look_s(dead, decide(dead)) == dead.beats["n2"] + LEASE_S - dead.now
    assert decide(replace(dead, now=dead.now + 0.2)).claim == {A}


def test_a_node_that_cannot_renew_keeps_its_address_until_another_answers() -> None:
    unsure = replace(SEEN, holders={A: "n1"}, present=frozenset({A}), renewed_at=SEEN.now - FENCE_S)
    assert decide(unsure).hold == {A}
    assert decide(replace(unsure, elsewhere=frozenset({A}))).hold == frozenset()
    assert decide(replace(unsure, elsewhere=frozenset({A}), renewed_at=SEEN.now)).hold == {A}


def test_a_start_without_a_master_goes_on_with_what_is_there_and_takes_nothing_else() -> None:
    never = replace(SEEN, renewed_at=float("-inf"), wanted=frozenset({A, B}), present=frozenset({A}))
    assert decide(never).hold == {A}


def test_what_is_no_longer_served_is_given_back() -> None:
    plan = decide(replace(SEEN, wanted=frozenset(), holders={A: "n1", B: "n2"}))
    assert plan.give_back == {A}
    assert not plan.beats


def test_a_node_without_addresses_sleeps() -> None:
    nothing = replace(SEEN, wanted=frozenset())
    assert next_look_s(nothing, decide(nothing)) is None
    assert next_look_s(SEEN, decide(SEEN)) == BEAT_S


def test_the_kernel_takes_an_address_away_before_another_node_takes_it() -> None:
    assert BEAT_S < FENCE_S < LEASE_S < 5


@given(
    me_holds=st.booleans(), wanted=st.booleans(), present=st.booleans(), elsewhere=st.booleans(),
    renewed=st.floats(0, 200), beat=st.floats(0, 100),
)  # fmt: skip
def test_nothing_is_held_that_is_not_wanted_or_that_another_holds(
    me_holds: bool, wanted: bool, present: bool, elsewhere: bool, renewed: float, beat: float
) -> None:
    seen = replace(
        SEEN,
        wanted=frozenset({A} if wanted else ()),
        present=frozenset({A} if present else ()),
        elsewhere=frozenset({A} if elsewhere else ()),
        holders={A: "n1" if me_holds else "n2"},
        beats={"n2": beat},
        renewed_at=renewed,
    )
    plan = decide(seen)
    assert not plan.hold or (wanted and me_holds)
    assert not plan.hold & plan.claim


def test_a_packet_of_arp_is_read_as_it_was_written() -> None:
    packet = Packet(REPLY, b"\x02\0\0\0\0\x01", A, b"\xff" * 6, B)
    frame = build(packet)
    assert len(frame) == 42
    assert parse(frame) == packet


@given(st.binary(max_size=64))
def test_other_frames_are_none(frame: bytes) -> None:
    parse(frame)
    assert parse(b"\0" * 12 + b"\x08\x00" + frame) is None
