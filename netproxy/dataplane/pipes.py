"""Pipes through which bulk data passes from socket to socket inside the kernel (splice(2)).

A flow borrows a pipe only while data pass, so that idle connections cost two descriptors and no more. There are
few: a flow that gets none goes on copying.

The kernel counts what the pipes of all programs of a user may hold (fs.pipe-user-pages-soft: 64 MiB). Who is above it
without CAP_SYS_RESOURCE, as this program and root's containers are, gets pipes of two pages. So at most half of that
is taken here, it is given back when it is not used, and a pipe that small, slower than copying, is not used at all.
"""

from __future__ import annotations

import fcntl
import os

from netproxy.dataplane.loop import Loop

MAX_PIPES = 32
"""At most, lent and idle; two descriptors each."""
PIPE_BYTES = 1 << 20
"""fs.pipe-max-size as the kernel sets it."""
LEAST_BYTES = 64 * 1024
"""What a pipe has by itself; where growing is refused it still is better than copying, smaller ones are worse."""
IDLE_S = 10.0
"""A pipe that nobody needed for so long is closed."""
FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipe:
    """One pipe of `size` bytes; `level` is what is in it."""

    __slots__ = ("level", "read", "size", "write")

    def __init__(self) -> None:
        self.read, self.write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.level = 0
        try:
            self.size = fcntl.fcntl(self.write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:  # the user's share is spent
            self.size = fcntl.fcntl(self.write, fcntl.F_GETPIPE_SZ)

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

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._idle: list[Pipe] = []
        self._count = 0
        self._unused = 0
        """So many at the list's begin were not needed since the last look."""
        self._looks = False
        """Whether a timer will look for those."""

    def take(self) -> Pipe | None:
        """A pipe with nothing in it; None when there are none."""
        if self._idle:
            pipe = self._idle.pop()
            self._unused = min(self._unused, len(self._idle))
            return pipe
        if self._count >= MAX_PIPES:
            return None
        try:
            pipe = Pipe()
        except OSError:  # no descriptors: connections need them more
            return None
        if pipe.size < LEAST_BYTES:
            pipe.close()
            return None
        self._count += 1
        return pipe

    def give(self, pipe: Pipe) -> None:
        """Take it back; one that is not empty is thrown away."""
        if pipe.level:
            pipe.close()
            self._count -= 1
            return
        self._idle.append(pipe)
        if not self._looks:
            self._look_later()

    def release(self, count: int = MAX_PIPES) -> None:
        """Close so many of those that nobody uses, the ones used longest ago."""
        for pipe in self._idle[:count]:
            pipe.close()
            self._count -= 1
        del self._idle[:count]

    def _look_later(self) -> None:
        self._looks = True
        self._unused = len(self._idle)
        self._loop.at(self._loop.now + IDLE_S, self._look)

    def _look(self) -> None:
        self._looks = False
        self.release(self._unused)
        if self._idle:
            self._look_later()
