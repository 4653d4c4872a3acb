"""The parent of a cluster's components: starts them, restarts those that die, stops them in order.

One process, one thread: children are forked from it after all imports, so that they share its memory; fork and
threads do not mix. It sleeps in sigtimedwait(2) and wakes for a dead child, a request to end, or a restart that is
due. Containers are none of its business: they outlive it.
"""

import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.board import Board, Entry
from cli.processes import Identity, die_with, identity, share_heap

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 10.0
STEADY_AFTER_S = 30.0  # a component that ran so long starts again with the first delay
STOP_LIMIT_S = 20.0  # above daemon.STOP_LIMIT_S: a component that is late ends by itself, with its stacks in the log
IDLE_S = 3600.0
WAKING = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


@dataclass(frozen=True, slots=True)
class Program:
    """A component ready to run: `work` is called in a forked process and returns its exit code."""

    name: str
    work: Callable[[], int]


@dataclass(slots=True)
class Child:
    """A program and its present process."""

    program: Program
    process: Identity | None = None
    since: float = field(default_factory=time.time)
    started_at: float = 0.0  # monotonic
    due_at: float = 0.0  # monotonic; when to start it, while there is no process
    delay_s: float = 0.0
    restarts: int = 0
    last_exit: str = ""

    def entry(self) -> Entry:
        return Entry(self.program.name, self.process, self.since, self.restarts, self.last_exit)


def next_delay(previous_s: float, ran_s: float) -> float:
    """How long to wait before the next start: doubling, from the first again after a steady run."""
    if previous_s == 0 or ran_s >= STEADY_AFTER_S:
        return FIRST_DELAY_S
    return min(previous_s * 2, MAX_DELAY_S)


def explain_exit(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    # Most of the real-time signals have no name.
    return f"killed by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


class Supervisor:
    """Runs programs until told to end.

    `steps` are called before each wait; seconds from one of them bound that wait, None leaves it long.
    """

    def __init__(
        self, programs: Sequence[Program], run_dir: Path, *, steps: Sequence[Callable[[], float | None]] = ()
    ) -> None:
        self._children = [Child(program) for program in programs]
        self._run_dir = run_dir
        self._steps = steps
        self._me = identity(os.getpid())
        self._stopping = False

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)
        share_heap()
        gc.collect()
        gc.freeze()  # what is imported stays shared: the collector of a child leaves its pages alone
        log.info("supervising components=%d pid=%d", len(self._children), os.getpid())
        self._write()
        while True:
            self._start_due()
            woken = signal.sigtimedwait(WAKING, self._wait_s())
            if woken is not None and woken.si_signo in (signal.SIGTERM, signal.SIGINT):
                log.info("stopping signal=%s", signal.Signals(woken.si_signo).name)
                self._stop_all()
                return 0
            self._reap()

    def _wait_s(self) -> float:
        waits = [child.due_at - time.monotonic() for child in self._children if child.process is None]
        own = [seconds for step in self._steps if (seconds := step()) is not None]
        return max(0.0, min([*waits, *own, IDLE_S]))

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [child for child in self._children if child.process is None and child.due_at <= now]
        for child in due:
            self._start(child)
        if due:
            self._write()

    def _start(self, child: Child) -> None:
        pid = os.fork()
        if pid == 0:
            self._be(child.program)
        child.process = identity(pid)
        child.since, child.started_at = time.time(), time.monotonic()
        log.info("started component=%s pid=%d restarts=%d", child.program.name, pid, child.restarts)

    def _be(self, program: Program) -> None:
        """In the child: become the program, never return."""
        code = 1
        try:
            os.setpgid(0, 0)  # Ctrl-C at a terminal is for the supervisor, which stops us in order
            for number in WAKING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WAKING)
            die_with(self._me.pid)
            os.environ.pop("NOTIFY_SOCKET", None)
            Path("/proc/self/comm").write_text(f"steer-{program.name}"[:15], encoding="ascii")
            code = program.work()
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        changed = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            changed = self._note_end(pid, status) or changed
        if changed:
            self._write()

    def _note_end(self, pid: int, status: int) -> bool:
        for child in self._children:
            if child.process is None or child.process.pid != pid:
                continue
            now = time.monotonic()
            ran_s = now - child.started_at
            child.process, child.since = None, time.time()
            child.last_exit = explain_exit(status)
            if self._stopping:
                log.info("stopped component=%s why=%r", child.program.name, child.last_exit)
                return True
            child.delay_s = next_delay(child.delay_s, ran_s)
            child.due_at = now + child.delay_s
            child.restarts += 1
            log.warning(
                "component ended component=%s pid=%d why=%r ran_s=%.1f restart_in_s=%g",
                child.program.name, pid, child.last_exit, ran_s, child.delay_s,
            )  # fmt: skip
            return True
        return False

    def _write(self) -> None:
        """A full disk hides what runs; it must not end it."""
        try:
            Board(self._me, tuple(child.entry() for child in self._children)).write(self._run_dir)
        except OSError as error:
            log.warning("who runs was not written down error=%s", error)

    def _stop_all(self) -> None:
        """All at once, but the first last: it serves the others' goodbyes."""
        self._stopping = True
        first, *others = self._children
        self._stop(others)
        self._stop([first])
        self._write()

    def _stop(self, children: list[Child]) -> None:
        for child in children:
            if child.process is not None:
                os.kill(child.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT_S
        while any(child.process is not None for child in children):
            self._reap()
            if time.monotonic() > deadline:
                self._kill(children)
                return
            signal.sigtimedwait({signal.SIGCHLD}, 0.2)

    def _kill(self, children: list[Child]) -> None:
        for child in children:
            if child.process is not None:
                log.error("component killed, it did not stop in time component=%s", child.program.name)
                os.kill(child.process.pid, signal.SIGKILL)
                os.waitpid(child.process.pid, 0)
                child.process = None
