"""When a probe is due, and what a run of results means. Pure.

Two rules guard what runs: a result counts only for the container it was taken from, and a failure that came while the
agent itself was late does not count against the container.
"""

from dataclasses import dataclass
from enum import Enum

from api.core import Probe


class Kind(Enum):
    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeState:
    """Results in a row, and the verdict so far. ``ok``: the verdict, which begins as it is given."""

    ok: bool
    failures: int = 0
    successes: int = 0


def first_state(kind: Kind, *, known: bool) -> ProbeState:
    """Before any result: alive, not ready, not started, unless ``known`` from before a restart of the agent."""
    return ProbeState(ok=True if kind is Kind.LIVENESS else known)


def next_state(state: ProbeState, probe: Probe, *, ok: bool) -> ProbeState:
    """The state after one more result."""
    if ok:
        successes = state.successes + 1
        return ProbeState(ok=state.ok or successes >= (probe.success_threshold or 1), successes=successes)
    failures = state.failures + 1
    return ProbeState(ok=state.ok and failures < (probe.failure_threshold or 3), failures=failures)


def failed_for_good(state: ProbeState, probe: Probe) -> bool:
    """Whether failures have reached the threshold. (A startup probe that has not succeeded yet is no failure.)"""
    return state.failures >= (probe.failure_threshold or 3)


def period_s(probe: Probe) -> float:
    return float(probe.period_seconds or 10)


def first_due_s(probe: Probe, *, age_s: float, spread: float) -> float:
    """Seconds until the first run. ``age_s``: how long the container runs already.

    ``spread``, from 0 to 1: where in the period the probes of an adopted container fall, so that not all of them run at
    once after a restart of the agent.
    """
    left_s = probe.initial_delay_seconds - age_s
    return max(left_s, 0.0) if age_s < period_s(probe) else max(left_s, spread * period_s(probe))


def counts(probe: Probe, *, ok: bool, late_s: float) -> bool:
    """Whether a result may be held against the container: not if the agent began the check much too late."""
    return ok or late_s <= max(1.0, period_s(probe) / 2)
