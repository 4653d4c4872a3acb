"""Counts what containers hold on disk and open, so many entries a round and no more, one container after the other."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from cadvisor_lite.readers import Cgroup, Holdings, Places, count_holdings
from cadvisor_lite.readers.holdings import Count
from cadvisor_lite.tracked import Tracked

log = logging.getLogger(__name__)


class Inventory:
    """For one thread. `failed` is told of a count that fails."""

    def __init__(
        self, proc: Path, *, per_round: int, tasks: bool, failed: Callable[[Tracked, Exception], None]
    ) -> None:
        self._proc = proc
        self._per_round = per_round
        self._tasks = tasks
        self._failed = failed
        self._waiting: deque[Tracked] = deque()
        self._subject: Tracked | None = None
        self._count: Count[Holdings] | None = None

    def step(self, tracked: Iterable[Tracked]) -> None:
        """Goes on where the last round ended. A new circle begins with a round, so that a few are not counted over."""
        left = self._per_round
        if self._count is None and not self._waiting:
            self._waiting.extend(one for one in tracked if one.container is not None)
        while left > 0:
            if self._count is None:
                if not self._waiting:
                    return
                self._subject = self._waiting.popleft()
                self._count = count_holdings(self._places(self._subject), tasks=self._tasks)
            left -= max(1, self._advance(self._subject, self._count))

    def _advance(self, subject: Tracked | None, count: Count[Holdings]) -> int:
        try:
            return next(count)
        except StopIteration as done:
            self._count = None
            if subject is not None:
                subject.holdings = done.value
        except (OSError, ValueError) as error:
            self._count = None
            if subject is not None:
                self._failed(subject, error)
        return 1

    def _places(self, tracked: Tracked) -> Places:
        container = tracked.container
        return Places(
            proc=str(self._proc),
            procs_file=procs_file(tracked.cgroup),
            layer=container.layer if container else "",
            log_path=container.log_path if container else "",
        )


def procs_file(cgroup: Cgroup) -> str:
    """The list of a cgroup's processes."""
    home = cgroup.directories.get("pids") or next(iter(cgroup.directories.values()))
    return home + "/cgroup.procs"
