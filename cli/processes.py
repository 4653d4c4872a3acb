"""Processes and the one lock of a supervisor: who runs, is it still the same one, end it within a limit.

A pid alone is no identity, the kernel gives it out again: every pid is kept with the process's start time.
"""

import ctypes
import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_M_ARENA_MAX = -8  # malloc.h of glibc
START_TOLERANCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one of the same pid."""

    pid: int
    started: float  # seconds since the epoch, as psutil tells it


def identity(pid: int) -> Identity:
    """The identity of a living process; psutil.NoSuchProcess when it is gone."""
    return Identity(pid, psutil.Process(pid).create_time())


def find(wanted: Identity) -> psutil.Process | None:
    """The process, or None when it has ended (a zombie has)."""
    try:
        process = psutil.Process(wanted.pid)
        same = abs(process.create_time() - wanted.started) < START_TOLERANCE_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end(wanted: Identity, *, limit_s: float) -> bool:
    """Ask with SIGTERM, wait, insist with SIGKILL. False when it was gone already."""
    process = find(wanted)
    if process is None:
        return False
    try:
        process.send_signal(signal.SIGTERM)
        if not wait_gone(wanted, limit_s=limit_s):
            process.send_signal(signal.SIGKILL)
            wait_gone(wanted, limit_s=5.0)
    except psutil.NoSuchProcess:
        pass
    return True


def wait_gone(wanted: Identity, *, limit_s: float) -> bool:
    """Wait until the process has ended; False when it has not within the limit."""
    deadline = time.monotonic() + limit_s
    while find(wanted) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def die_with(parent_pid: int) -> None:
    """Have the kernel send this process SIGTERM when its parent ends, however it ends (prctl(2)).

    The parent may be gone already: then nobody would send it, and this process ends now.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        os._exit(0)


def share_heap() -> None:
    """Let all threads of this process, and of those it forks, allocate from one heap.

    glibc gives them up to eight a core, and what is freed in one is lost to the others: a MiB here and there. They
    would keep threads from waiting for each other, which those of Python do anyway. Under systemd MALLOC_ARENA_MAX says
    the same, in the units: ctypes takes a third of a MiB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # another libc has one heap
        mallopt(_M_ARENA_MAX, 1)


class Lock:
    """The right to supervise one cluster: held as long as a process that has it open lives.

    Forked components keep it open on purpose: after a kill -9 of the supervisor nobody takes over before the last of
    them has gone and its port is free.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def take(self, *, limit_s: float = 0.0) -> bool:
        """Take the lock, waiting at most so long; False when another has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + limit_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.05)
            else:
                self._descriptor = descriptor
                return True

    def is_taken(self) -> bool:
        """Does any other process hold it?"""
        if not self.path.exists():
            return False
        probe = Lock(self.path)
        if probe.take():
            probe.drop()
            return False
        return True

    def drop(self) -> None:
        """Close this process's hold; others that inherited it keep theirs."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
