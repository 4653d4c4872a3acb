"""Keys in their order, in runs of bounded length: one more or less moves the keys of a run, however many there are."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

_RUN = 512


class OrderedKeys:
    """Each key once."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        ordered = sorted(keys)
        self._runs = [ordered[start : start + _RUN] for start in range(0, len(ordered), _RUN)]
        self._firsts = [run[0] for run in self._runs]
        self._length = len(ordered)

    def __len__(self) -> int:
        return self._length

    def add(self, key: str) -> None:
        """One that is not there."""
        self._length += 1
        if not self._runs:
            self._runs, self._firsts = [[key]], [key]
            return
        at = self._run_of(key)
        run = self._runs[at]
        insort(run, key)
        self._firsts[at] = run[0]
        if len(run) > 2 * _RUN:
            halves = [run[:_RUN], run[_RUN:]]
            self._runs[at : at + 1] = halves
            self._firsts[at : at + 1] = [half[0] for half in halves]

    def remove(self, key: str) -> None:
        """One that is there."""
        self._length -= 1
        at = self._run_of(key)
        run = self._runs[at]
        del run[bisect_left(run, key)]
        if run:
            self._firsts[at] = run[0]
        else:
            del self._runs[at], self._firsts[at]

    def between(self, first: str, last: str | None) -> list[str]:
        """From ``first`` on, up to but without ``last``, or to the end."""
        found: list[str] = []
        begin = self._run_of(first)
        end = len(self._runs) if last is None else bisect_left(self._firsts, last)
        for at in range(begin, end):
            run = self._runs[at]
            low = bisect_left(run, first) if at == begin else 0
            high = bisect_left(run, last) if last is not None and at == end - 1 else len(run)
            found += run[low:high]
        return found

    def _run_of(self, key: str) -> int:
        """Where the key is, or would be."""
        return max(bisect_right(self._firsts, key) - 1, 0)
