"""Tables as kubectl draws them: cells apart by three blanks, no column narrower than six."""

import os
import sys
from collections.abc import Sequence
from typing import Any

_GAP, _NARROWEST = 3, 6
_GOOD = {"Running", "Ready", "Active", "Bound", "Completed", "Available"}
_BAD = {
    "CrashLoopBackOff",
    "Error",
    "ErrImagePull",
    "ImagePullBackOff",
    "Failed",
    "NotReady",
    "Evicted",
    "Unknown",
    "OOMKilled",
}


class Table:
    """Prints rows, also row after row when they come one by one; columns never become narrower again."""

    def __init__(self, head: Sequence[str], *, headers: bool = True) -> None:
        self._head = list(head)
        self._widths = [_NARROWEST] * len(head)
        self._headers = headers

    def lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """The rows as text; the head comes before the first."""
        shown = [*([self._head] if self._headers else []), *rows]
        self._headers = False
        for row in shown:
            for at, cell in enumerate(row[:-1]):
                self._widths[at] = max(self._widths[at], len(cell) + _GAP)
        return [
            "".join(cell.ljust(width) for cell, width in zip(row[:-1], self._widths, strict=False)) + row[-1]
            for row in shown
        ]

    def print(self, rows: Sequence[Sequence[str]]) -> None:
        """On a terminal with colours, where a state is good or bad; the same text everywhere."""
        lines = self.lines(rows)
        if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
            print("\n".join(lines), flush=True)
            return
        _print_coloured(lines, " ".join(self._head).split())


def _print_coloured(lines: Sequence[str], head: Sequence[str]) -> None:
    # Only here: it would be a sixth of the time that a short verb takes.
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for line in lines:
        text = Text(line, style="bold" if line.split() == head else "")
        text.highlight_words(sorted(_GOOD), style="green")
        text.highlight_words(sorted(_BAD), style="red")
        console.print(text)


def cell(value: Any) -> str:
    """A cell of a server's table."""
    if value is None:
        return "<none>"
    return str(value).lower() if isinstance(value, bool) else str(value).replace("\n", "\\n")
