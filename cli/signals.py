"""Signals, acted upon by a thread that does nothing else.

A handler in Python runs in the main thread, between two steps of it. While that one sleeps on a lock it takes none: a
signal that comes in the instant before is seen when something else ends the sleep, if ever. And a handler that sets an
event whose lock the main thread holds just then waits for itself. The part of a handler that is written in C knows no
such hours: it puts the signal's number into a pipe (signal.set_wakeup_fd), and who reads there acts.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

Act = Callable[[int], None]
_END = b"\0"  # no signal has this number
_JOIN_S = 1.0


@contextmanager
def acted_upon(acts: Mapping[int, Act]) -> Iterator[None]:
    """While the block runs each of these signals calls its function with its number, one at a time, in a thread.

    Call it in the main thread. What a function raises is logged. Programs that are started meanwhile have the signals
    as usual: none is blocked.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)  # set_wakeup_fd wants it
    thread = threading.Thread(target=_listen, args=(reader, acts), name="signals", daemon=True)
    thread.start()
    former_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    former = {number: signal.signal(number, _in_the_pipe_already) for number in acts}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_writer)
        os.write(writer, _END)
        thread.join(_JOIN_S)
        os.close(writer)
        os.close(reader)


def _in_the_pipe_already(_number: int, _frame: FrameType | None) -> None:
    """The handler in Python: without one there is none in C."""


def _listen(reader: int, acts: Mapping[int, Act]) -> None:
    while (byte := os.read(reader, 1)) != _END:
        act = acts.get(byte[0])
        if act is None:
            continue  # someone else's handler
        try:
            act(byte[0])
        except Exception:  # the door of this thread: the next signal must be heard
            log.exception("signal not acted upon signal=%s", signal.Signals(byte[0]).name)
