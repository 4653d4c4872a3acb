"""A raw edge-triggered epoll loop for one thread: descriptors, timers, commands from other threads.

Rules kept: handlers live in a list indexed by descriptor; a socket closed while a batch of events is handled is really
closed after the batch, so that its number cannot be given to a new socket that would then receive the old one's events;
a handler that raises is contained, logged and told to give up; commands come through a bounded queue.
"""

from __future__ import annotations

import heapq
import logging
import os
import queue
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)

LEVEL = select.EPOLLIN
EVENTS = select.EPOLLIN | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET
BATCH = 512
MAX_COMMANDS = 256
SUBMIT_TIMEOUT_S = 5.0
SOON_S = 50e-6
"""After a wait shorter than this the loop stays awake so long for the next: to send a processor to sleep and to wake it
takes as much. Waits are longer where there is little to do, and then it sleeps at once."""


class Handler(Protocol):
    """Something that owns one socket."""

    @property
    def fd(self) -> int:
        """The socket's descriptor, also when it is closed already."""

    @property
    def sock(self) -> socket.SocketType:
        """The socket."""

    def on_event(self, mask: int) -> None:
        """Act on readiness; mask 0 means: go on where you stopped to let others have their turn."""

    def on_fault(self) -> None:
        """An error nobody expected was raised by on_event: release everything."""


class Loop:
    """The loop. All methods but `submit`, `stop` and `release` belong to the thread that calls `run`."""

    def __init__(self) -> None:
        self.now = time.monotonic()
        self.faults = 0
        self.ready = 0
        """Handlers that are called in this turn."""
        self._epoll = select.epoll()
        self._handlers: list[Handler | None] = [None] * 1024
        self._again: deque[Handler] = deque()
        self._dying: list[socket.SocketType] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._after_close: Callable[[], None] | None = None
        self._commands: queue.Queue[Callable[[], None]] = queue.Queue(MAX_COMMANDS)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._handlers.extend([None] * self._wake)
        self._commands_due = False
        self._soon = False
        """Whether the last wait was short."""
        self._stopping = False

    # -- other threads

    def submit(self, command: Callable[[], None]) -> None:
        """Have the loop's thread call this between two batches. Raises queue.Full when the loop hangs."""
        self._commands.put(command, timeout=SUBMIT_TIMEOUT_S)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Make `run` return after the current batch."""
        self.submit(self._stop)

    def release(self) -> None:
        """Release the loop's own descriptors, when its thread has ended: nobody may submit any more."""
        self._epoll.close()
        os.close(self._wake)

    # -- the loop's thread

    def add(self, handler: Handler, *, writes: bool = False, level: bool = False) -> None:
        """Watch the handler's descriptor, for room to write too if asked; what is ready by now is told at once.

        `level`: only for something to read, and told in each turn while there is something.
        """
        fd = handler.fd
        while fd >= len(self._handlers):
            self._handlers.extend([None] * len(self._handlers))
        self._handlers[fd] = handler
        self._epoll.register(fd, LEVEL if level else EVENTS | select.EPOLLOUT if writes else EVENTS)

    def watch_writes(self, handler: Handler) -> None:
        """From now on tell a handler of room to write too, and at once when there is some. Not added yet: nothing."""
        fd = handler.fd
        if fd < len(self._handlers) and self._handlers[fd] is handler:
            self._epoll.modify(fd, EVENTS | select.EPOLLOUT)

    def close(self, sock: socket.SocketType) -> None:
        """Forget a socket, one that was never added too, and close it when the batch is done."""
        fd = sock.fileno()
        if fd < len(self._handlers):
            self._handlers[fd] = None
        self._dying.append(sock)

    def close_now(self, sock: socket.SocketType) -> None:
        """Forget a socket and close it: only for commands, which run when no batch is being handled."""
        self._handlers[sock.fileno()] = None
        sock.close()

    def again(self, handler: Handler) -> None:
        """Call the handler with mask 0 in the next turn: it had more to do than its share."""
        self._again.append(handler)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Call the action at a monotonic time. There is no cancel: the action looks whether it still matters."""
        self._sequence += 1
        heapq.heappush(self._timers, (when, self._sequence, action))

    def after_close(self, action: Callable[[], None]) -> None:
        """Call this whenever descriptors were given back."""
        self._after_close = action

    def run(self) -> None:
        """Serve until stopped; then close every socket that is watched."""
        handlers, wake = self._handlers, self._wake
        try:
            while not self._stopping:
                events = self._events()
                self.ready = len(events)
                for fd, mask in events:
                    handler = handlers[fd]
                    if handler is not None:
                        try:
                            handler.on_event(mask)
                        except Exception:  # noqa: BLE001 (contained and logged)
                            self._contain(handler)
                    elif fd == wake:
                        self._commands_due = True
                if self._again:
                    self._run_again()
                if self._timers and self._timers[0][0] <= self.now:
                    self._run_timers()
                if self._dying:
                    self._bury()
                if self._commands_due:
                    self._run_commands()
        finally:
            self._bury()
            for handler in filter(None, self._handlers):
                handler.sock.close()

    def _events(self) -> list[tuple[int, int]]:
        """Wait for what is ready, and take the time."""
        began = time.monotonic()
        events = self._awake(began + SOON_S) if self._soon and not self._again else []
        if not events:
            events = self._epoll.poll(self._timeout(), BATCH)
        self.now = time.monotonic()
        self._soon = self.now < began + SOON_S
        return events

    def _awake(self, until: float) -> list[tuple[int, int]]:
        """What gets ready by then, without sleeping; others who can run on this processor do."""
        while time.monotonic() < until:
            if events := self._epoll.poll(0, BATCH):
                return events
            os.sched_yield()
        return []

    def _timeout(self) -> float:
        if self._again:
            return 0.0
        if self._timers:
            return max(0.0, self._timers[0][0] - time.monotonic())
        return -1.0

    def _contain(self, handler: Handler) -> None:
        """An error nobody expected is being handled: tell of it, and have the handler give up."""
        self.faults += 1
        log.exception("handler failed fd=%d handler=%s", handler.fd, type(handler).__name__)
        handler.on_fault()

    def _run_again(self) -> None:
        for _ in range(len(self._again)):
            handler = self._again.popleft()
            if self._handlers[handler.fd] is handler:
                try:
                    handler.on_event(0)
                except Exception:  # noqa: BLE001 (contained and logged)
                    self._contain(handler)

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            action = heapq.heappop(self._timers)[2]
            try:
                action()
            except Exception:
                self.faults += 1
                log.exception("timer failed action=%r", action)

    def _run_commands(self) -> None:
        self._commands_due = False
        os.eventfd_read(self._wake)
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            try:
                command()
            except Exception:
                self.faults += 1
                log.exception("command failed command=%r", command)

    def _bury(self) -> None:
        dying, self._dying = self._dying, []
        for sock in dying:
            sock.close()
        if dying and self._after_close is not None and not self._stopping:
            self._after_close()

    def _stop(self) -> None:
        self._stopping = True
