"""Many who wait for the same time cost one timer, and none while nobody waits."""

from __future__ import annotations

from netproxy.dataplane.waits import Line
from tests.netproxy.clocks import Clock


class Patient:
    """Waits until it is answered."""

    def __init__(self) -> None:
        self.answered = False
        self.left: list[object] = []

    def waits_for(self, _what: object) -> bool:
        return not self.answered

    def in_vain(self, what: object) -> None:
        self.left.append(what)


def test_many_share_a_timer_and_each_waits_as_long_as_the_others() -> None:
    clock = Clock()
    line = Line(clock, 1.0)
    patients = [Patient() for _ in range(100)]
    for number, patient in enumerate(patients):
        clock.now = number / 100
        line.join(patient, number)
    assert len(clock.timers) == 1
    clock.go_to(1.495)
    assert [patient.left for patient in patients] == [[n] if n < 50 else [] for n in range(100)]
    assert len(clock.timers) == 1
    clock.go_to(3.0)
    assert [patient.left for patient in patients] == [[n] for n in range(100)]
    assert not clock.timers
    clock.release()


def test_who_was_answered_is_forgotten_at_the_next_look() -> None:
    clock = Clock()
    line = Line(clock, 1.0)
    patients = [Patient() for _ in range(10)]
    for patient in patients:
        line.join(patient, None)
        clock.now += 0.5
        patient.answered = True
    clock.go_to(clock.now)
    assert not clock.timers
    assert not any(patient.left for patient in patients)
    clock.release()


def test_one_who_joins_while_it_is_looked_at_waits_too() -> None:
    clock = Clock()
    line = Line(clock, 1.0)
    second = Patient()

    class First(Patient):
        def in_vain(self, _what: object) -> None:
            line.join(second, "second")

    line.join(First(), "first")
    clock.go_to(1.0)
    assert len(clock.timers) == 1
    clock.go_to(2.0)
    assert second.left == ["second"]
    clock.release()
