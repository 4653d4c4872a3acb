"""Waiting with the user: what is waited for, for how long, and what came of it. Plain lines, or one that is redrawn."""

import sys
import time
from collections.abc import Callable

from cli.errors import CommandError
from cli.flags import columns

INTERVAL_S = 0.1
REMIND_S = 5.0  # without a terminal: at most one line in so many seconds


class TooLate(CommandError):
    """What was waited for did not come within the limit."""


def say(text: str) -> None:
    """One line for the user, out at once."""
    print(text, flush=True)


def wait(what: str, missing: Callable[[], str], *, limit_s: float) -> None:
    """Wait until `missing` returns nothing; what it returns is shown. TooLate after `limit_s` with the last of it."""
    start = time.monotonic()
    shown = 0.0
    on_terminal = sys.stdout.isatty()
    while True:
        lack = missing()
        waited = time.monotonic() - start
        if not lack:
            _redraw(f"{what}: ready after {waited:.1f} s", on_terminal=on_terminal, last=True)
            return
        if waited > limit_s:
            raise TooLate(f"{what}: not ready after {limit_s:g} s: {lack}")
        if on_terminal or waited - shown >= REMIND_S:
            shown = waited
            _redraw(f"{what}: {lack} ({waited:.0f} s)", on_terminal=on_terminal, last=False)
        time.sleep(INTERVAL_S)


def _redraw(text: str, *, on_terminal: bool, last: bool) -> None:
    """One line, whatever the text: of more than one, or of one that wraps, only the last could be drawn anew."""
    text = " ".join(text.split())
    if on_terminal:
        print(f"\r\x1b[2K{text if last else text[: columns() - 1]}", end="\n" if last else "", flush=True)
    else:
        print(text, flush=True)
