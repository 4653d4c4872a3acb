"""What happens when descriptors run out: accepting pauses, nothing is dropped, and it goes on as others end.

One spare descriptor is kept. A client accepted with the last descriptor gets the spare for its way to the endpoint;
after that new clients wait in the kernel's queue until something is closed.
"""

from __future__ import annotations

import errno
import logging
import os

from netproxy.dataplane.loop import Handler, Loop

log = logging.getLogger(__name__)

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
RETRY_S = 0.2
"""Descriptors can also be given back by other threads or, for ENFILE, other processes: look again."""


class Gate:
    """Whether new clients may come in."""

    def __init__(self, loop: Loop) -> None:
        self.paused = False
        self.pauses = 0
        self._loop = loop
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._waiting: dict[int, Handler] = {}
        loop.after_close(self.settle)

    def pause(self) -> None:
        """Stop accepting until descriptors are given back."""
        if not self.paused:
            self.paused = True
            self.pauses += 1
            log.warning("out of descriptors, accepting paused pauses=%d", self.pauses)
            self._loop.at(self._loop.now + RETRY_S, self._retry)

    def wait(self, listener: Handler) -> None:
        """This listener has clients in its queue: call it when accepting goes on."""
        self._waiting[listener.fd] = listener

    def lend(self) -> bool:
        """Give back the spare descriptor so that one socket can be opened; accepting pauses. False: it is lent."""
        self.pause()
        if self._spare < 0:
            return False
        os.close(self._spare)
        self._spare = -1
        return True

    def settle(self) -> None:
        """Take the spare again if there is one to have, and then let clients in."""
        if not self.paused:
            return
        if self._spare < 0:
            try:
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                return
        self.paused = False
        waiting, self._waiting = self._waiting, {}
        for listener in waiting.values():
            self._loop.again(listener)

    def close(self) -> None:
        """Release the spare."""
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _retry(self) -> None:
        self.settle()
        if self.paused:
            self._loop.at(self._loop.now + RETRY_S, self._retry)
