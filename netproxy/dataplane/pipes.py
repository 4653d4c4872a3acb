"""Pipes through which bulk data passes from socket to socket inside the kernel (splice(2)).

A flow borrows a pipe only while data pass, so that idle connections cost two descriptors and no more. There are
few: a flow that gets none goes on copying.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

MAX_PIPES = 128
"""At most, lent and idle; two descriptors each."""
PIPE_BYTES = 1 << 20
"""fs.pipe-max-size as the kernel sets it; a smaller pipe, where that is refused, works too."""
FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipe:
    """One pipe; `level` is what is in it."""

    __slots__ = ("level", "read", "write")

    def __init__(self) -> None:
        self.read, self.write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.level = 0
        with contextlib.suppress(OSError):  # the user's share of pipe pages is spent: it stays at 64 KiB
            fcntl.fcntl(self.write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def fill(self, source: int) -> int:
        """Take from a socket; 0 at its end. The pipe must be empty. Raises BlockingIOError and OSError as a read."""
        self.level = os.splice(source, self.write, PIPE_BYTES, flags=FLAGS)
        return self.level

    def drain(self, target: int) -> bool:
        """Give to a socket; False when it takes no more now. Raises OSError as a write."""
        try:
            while self.level:
                self.level -= os.splice(self.read, target, self.level, flags=FLAGS)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Release it with what is in it."""
        os.close(self.read)
        os.close(self.write)


class Pipes:
    """All pipes of one data plane."""

    def __init__(self) -> None:
        self._idle: list[Pipe] = []
        self._count = 0

    def take(self) -> Pipe | None:
        """A pipe with nothing in it; None when there are none."""
        if self._idle:
            return self._idle.pop()
        if self._count >= MAX_PIPES:
            return None
        try:
            pipe = Pipe()
        except OSError:  # no descriptors: connections need them more
            return None
        self._count += 1
        return pipe

    def give(self, pipe: Pipe) -> None:
        """Take it back; one that is not empty is thrown away."""
        if pipe.level:
            pipe.close()
            self._count -= 1
        else:
            self._idle.append(pipe)

    def release_idle(self) -> bool:
        """Close those that nobody uses; True when there were some."""
        found, self._idle = self._idle, []
        for pipe in found:
            pipe.close()
        self._count -= len(found)
        return bool(found)
