"""Many writes of one kind, several at once, and few when they fail.

The batches double (1, 2, 4, ...), and a batch with a failure is the last: what is refused for all, by a quota or a
template, is asked for once and not a thousand times. (Kubernetes' ``slowStartBatch``.)
"""

from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future

from api.errors import ApiError
from client import Unreachable


def slow_start(count: int, write: Callable[[], None], writers: Executor) -> None:
    """``write`` so many times. Raises the first ApiError or Unreachable of the last batch, when it has ended."""
    done, batch = 0, 1
    while done < count:
        size = min(batch, count - done)
        _together(size, write, writers)
        done, batch = done + size, 2 * batch


def _together(size: int, write: Callable[[], None], writers: Executor) -> None:
    if size == 1:
        write()
        return
    try:
        running: list[Future[None]] = [writers.submit(write) for _ in range(size)]
    except RuntimeError as ended:
        raise Unreachable("no more is written, the controllers end") from ended
    failures = [error for one in running if (error := _failure(one)) is not None]
    # A fault of the program is told before what the server said.
    for failure in sorted(failures, key=lambda error: isinstance(error, (ApiError, Unreachable))):
        raise failure


def _failure(written: Future[None]) -> BaseException | None:
    try:
        return written.exception()
    except CancelledError:
        return Unreachable("not all was written, the controllers end")
