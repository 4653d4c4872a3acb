"""Many writes of one kind, several at once, and few when they fail.

The batches double (1, 2, 4, ...), and a batch with a failure is the last: what is refused for all, by a quota or a
template, is asked for once and not a thousand times. (Kubernetes' ``slowStartBatch``.)
"""

import threading
from collections.abc import Callable

from api.errors import ApiError
from client import Unreachable
from master.writers import Writers


def slow_start(count: int, write: Callable[[], None], writers: Writers) -> None:
    """``write`` so many times. Raises the first ApiError or Unreachable of the last batch, when it has ended."""
    done, batch = 0, 1
    while done < count:
        size = min(batch, count - done)
        _together(size, write, writers)
        done, batch = done + size, 2 * batch


def _together(size: int, write: Callable[[], None], writers: Writers) -> None:
    if size == 1:
        write()
        return
    left, ended, failures = list(range(size)), threading.Event(), list[Exception]()

    def attempt() -> None:
        try:
            if writers.ending:
                raise Unreachable("not all was written, the controllers end")
            write()
        except Exception as error:  # noqa: BLE001 (raised below, by the thread that asked for the writes)
            failures.append(error)
        finally:
            # Told once: to be woken for each write would take the interpreter from those who write.
            left.pop()
            if not left:
                ended.set()

    try:
        for _ in range(size):
            writers.put(attempt)
    except RuntimeError as error:
        raise Unreachable("no more is written, the controllers end") from error
    ended.wait()
    # A fault of the program is told before what the server said.
    for failure in sorted(failures, key=lambda error: isinstance(error, (ApiError, Unreachable))):
        raise failure
