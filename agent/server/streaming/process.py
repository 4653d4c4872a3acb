"""The process that a session talks to: a command run in a container, or what the container runs already.

The edge to Docker. The outcome is told in the words of Kubernetes, since kubectl reads them.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent.runtime.cache import ContainerCache
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure
from api.meta import Status, StatusCause, StatusDetails

log = logging.getLogger(__name__)

_EXIT_CODE_S = 2.0
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Streams:
    """Which streams the client wants."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Process(Protocol):
    """Raises RuntimeFailure from every call."""

    tty: bool
    ends_with_input: bool
    """Whether the end of the client's input is one for the process too."""

    def open(self) -> tuple[socket.socket, bytes]:
        """Begin; the connection to its streams, and what came on it already."""

    def resize(self, width: int, height: int) -> None: ...

    def is_lost(self) -> bool:
        """Whether its streams will never end by themselves."""

    def outcome(self) -> Status:
        """After its streams have ended: how it ended."""

    def abandon(self) -> None:
        """The client has left."""


class ExecProcess:
    """A command that Docker runs in a container; ``container_id`` is that of a running one."""

    ends_with_input = True

    def __init__(self, docker: Docker, container_id: str, command: list[str], streams: Streams) -> None:
        """Raises RuntimeFailure."""
        self.tty = streams.tty
        self._docker = docker
        self._id = docker.open_exec(
            container_id, command, stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr, tty=streams.tty
        )

    def open(self) -> tuple[socket.socket, bytes]:
        return self._docker.exec_streams(self._id, tty=self.tty)

    def resize(self, width: int, height: int) -> None:
        self._docker.exec_resize(self._id, width=width, height=height)

    def is_lost(self) -> bool:
        """What it left running may hold its streams, and is waited for."""
        return False

    def outcome(self) -> Status:
        """The streams may end a moment before Docker has noted the exit code."""
        deadline = time.monotonic() + _EXIT_CODE_S
        while (code := self._docker.exec_result(self._id)[0]) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        if code is None:
            return failure("the process closed its streams and runs on: its exit code is not known")
        return exited(code)

    def abandon(self) -> None:
        """What a terminal does when it is closed: SIGHUP. Docker cannot signal an exec; the kernel can."""
        code, pid = self._docker.exec_result(self._id)
        if code is None and pid:
            try:
                os.kill(pid, signal.SIGHUP)
            except ProcessLookupError:
                return
            log.info("process of a client that left was hung up pid=%d", pid)


class AttachedProcess:
    """A container's own process.

    Docker attaches to a container that has ended as well, for its next start, and says nothing more. So the container
    must run when it is attached; what it wrote before is in its log, to which kubectl turns when this is refused.
    ``once``: its input ends with that of the first client (``stdinOnce``). Of another one the input stays open, and is
    not to be closed at Docker either, who then tells nothing more of its output.
    """

    def __init__(
        self, docker: Docker, cache: ContainerCache, container_id: str, streams: Streams, *, once: bool
    ) -> None:
        self.tty, self.ends_with_input = streams.tty, once
        self._docker = docker
        self._cache = cache
        self._id = container_id
        self._streams = streams

    def open(self) -> tuple[socket.socket, bytes]:
        wanted = self._streams
        connection, early = self._docker.attach_streams(
            self._id, stdin=wanted.stdin, stdout=wanted.stdout, stderr=wanted.stderr
        )
        try:
            record = self._docker.inspect(self._id)
            if record is None or not record.running:
                raise RuntimeFailure(f"container not running ({self._id})")
        except RuntimeFailure:
            connection.close()
            raise
        return connection, early

    def is_lost(self) -> bool:
        """Docker says that it has attached before it has: the container may have ended in between."""
        record = self._cache.get(self._id)
        return record is None or not record.running

    def resize(self, width: int, height: int) -> None:
        self._docker.resize(self._id, width=width, height=height)

    def outcome(self) -> Status:
        """Kubernetes tells no exit code here; kubectl run asks the pod for it."""
        return success()

    def abandon(self) -> None:
        """The container goes on."""


def success() -> Status:
    return Status(status="Success")


def exited(code: int) -> Status:
    if code == 0:
        return success()
    causes = [StatusCause(reason="ExitCode", message=str(code))]
    return Status(
        status="Failure",
        reason="NonZeroExitCode",
        message=f"command terminated with non-zero exit code: exit code {code}",
        details=StatusDetails(causes=causes),
    )


def failure(message: str) -> Status:
    causes = [StatusCause(message=message)]
    return Status(
        status="Failure",
        reason="InternalError",
        message=f"Internal error occurred: {message}",
        details=StatusDetails(causes=causes),
        code=500,
    )


def of(attempt: Callable[[], Status]) -> Status:
    """The outcome, or what kept us from knowing it."""
    try:
        return attempt()
    except RuntimeFailure as error:
        return failure(str(error))
