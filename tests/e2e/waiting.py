"""Wait for a condition, with a limit; nothing in these tests sleeps for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

INTERVAL_S = 0.05

T = TypeVar("T")


def until(condition: Callable[[], T], *, limit_s: float = 30.0, what: str = "") -> T:
    """Ask until the answer is true; that answer. AssertionError with the last answer when the limit passes."""
    deadline = time.monotonic() + limit_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit_s:g} s in vain for {what or condition}: last answer {answer!r}")
        time.sleep(INTERVAL_S)


def seconds_until(condition: Callable[[], object], *, limit_s: float = 30.0, what: str = "") -> float:
    """How long it took until the condition held."""
    start = time.monotonic()
    until(condition, limit_s=limit_s, what=what)
    return time.monotonic() - start
