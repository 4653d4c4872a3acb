"""Whom the kernel ended for want of memory, read from its own log as it says so.

Linux 5.0 and newer write one line "oom-kill:" with all that is needed; older ones write two, the group and then the
process. Where the log may not be read, a container's own status still says OOMKilled.
"""

import errno
import logging
import os
import re
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

KMSG = Path("/dev/kmsg")
_RECORD_BYTES = 8192  # the kernel hands out one record a read, and no longer one
_ONE_LINE = re.compile(
    r"oom-kill:constraint=\w+,.*?(?:global_oom|oom_memcg=(?P<limited>[^,]*)),task_memcg=(?P<group>[^,]*),"
    r"task=(?P<name>.*),pid=(?P<pid>\d+),uid=\d+$"
)
_GROUP = re.compile(r"Task in (?P<group>\S+) killed as a result of limit of (?P<limited>\S+)$")
_PROCESS = re.compile(r"Killed process (?P<pid>\d+),? \((?P<name>.*)\),? (?:UID \d+, )?total-vm:")
_CONTAINER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A process that was killed. ``system``: for want of memory of the whole machine, not of its group.

    container: id of its container; empty for a process outside of Docker, and where an old kernel does not tell.
    """

    name: str
    pid: int
    container: str
    system: bool


class Parser:
    """Lines of the kernel's log in, victims out."""

    def __init__(self) -> None:
        self._told = False
        self._group = ""

    def feed(self, line: str) -> Victim | None:
        if found := _ONE_LINE.search(line):
            self._told = True
            system = found["limited"] is None
            return Victim(name=found["name"], pid=int(found["pid"]), container=_id(found["group"]), system=system)
        if found := _GROUP.search(line):
            self._group = found["group"]
            return None
        if found := _PROCESS.search(line):
            group, self._group = self._group, ""
            told, self._told = self._told, False
            if not told:
                name, pid = found["name"], int(found["pid"])
                return Victim(name=name, pid=pid, container=_id(group), system=not group)
        return None


def _id(group: str) -> str:
    found = _CONTAINER.findall(group)
    return found[-1] if found else ""


class OomWatch:
    """One thread, asleep until the kernel says something. ``on_victim`` is called from it."""

    def __init__(self, on_victim: Callable[[Victim], None], path: Path = KMSG) -> None:
        self._on_victim = on_victim
        self._path = path
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="agent-oom", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            os.close(self._wake)

    def _run(self) -> None:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            log.warning("the kernel's log cannot be read, victims of want of memory are not named error=%s", error)
            return
        try:
            self._follow(file)
        except OSError as error:
            log.warning("the kernel's log is followed no more error=%s", error)
        finally:
            os.close(file)

    def _follow(self, file: int) -> None:
        """From now on: what was said before, an earlier agent has told."""
        if self._path == KMSG:
            os.lseek(file, 0, os.SEEK_END)
        parser, poll = Parser(), select.poll()
        for one in (file, self._wake):
            poll.register(one, select.POLLIN)
        while all(ready != self._wake for ready, _ in poll.poll()):
            for line in _lines(file):
                victim = parser.feed(line)
                if victim is not None:
                    self._tell(victim)

    def _tell(self, victim: Victim) -> None:
        log.warning(
            "killed for want of memory process=%s pid=%d container=%.12s system=%s",
            victim.name, victim.pid, victim.container, victim.system,
        )  # fmt: skip
        try:
            self._on_victim(victim)
        except Exception:
            log.exception("a victim was not told")


def _lines(file: int) -> Iterator[str]:
    """What can be read now: "<level>,<number>,<microseconds>,<flags>;<message>" a record, then lines of its own."""
    while True:
        try:
            record = os.read(file, _RECORD_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno == errno.EPIPE:
                continue  # the log has run over; the next read goes on with what is left
            raise
        if not record:
            return
        for line in record.decode(errors="replace").splitlines():
            yield line.partition(";")[2] or line
