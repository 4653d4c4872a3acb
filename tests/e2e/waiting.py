"""Wait for a condition, with a limit; nothing in the tests sleeps for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT_S = 60.0  # what is in vain on a busy machine too
FIRST_S, LONGEST_S = 0.002, 0.05  # between two looks

T = TypeVar("T")


def until(condition: Callable[[], T], *, limit_s: float = LIMIT_S, what: str | Callable[[], object] = "") -> T:
    """Ask until the answer is true; that answer. AssertionError with the last answer when the limit passes.

    `what` is waited for, or tells how things stand then.
    """
    deadline, pause_s = time.monotonic() + limit_s, FIRST_S
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            told = what() if callable(what) else what or condition
            raise AssertionError(f"waited {limit_s:g} s in vain for {told}: last answer {answer!r}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_S)


def seconds_until(condition: Callable[[], object], *, limit_s: float = LIMIT_S, what: str = "") -> float:
    """How long it took until the condition held."""
    start = time.monotonic()
    until(condition, limit_s=limit_s, what=what)
    return time.monotonic() - start
