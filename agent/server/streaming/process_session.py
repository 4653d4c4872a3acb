"""Moves bytes between a client and a process until one of them ends.

All in the thread of the client's connection. The client is not read while the process takes nothing, and the process
not while the client takes nothing; so each session holds at most a few hundred KiB.
"""

import logging
import time

from agent.runtime.failures import RuntimeFailure
from agent.server.streaming.docker_frames import DockerFrames
from agent.server.streaming.farewell import say_farewell
from agent.server.streaming.process import Process, failure, of
from agent.server.streaming.protocol_error import ProtocolError
from agent.server.streaming.remote_command import STDOUT, Caller, Event, HungUp, Input, InputEnd, Resize
from agent.server.streaming.timing import Clock, Timing
from agent.server.streaming.wire import Interest, Wire, wait
from api.meta import Status

log = logging.getLogger(__name__)

# Docker refuses a size until the process has begun, and does not tell when it has.
_RESIZE_TRIES = 20
_RESIZE_RETRY_S = 0.05


class ProcessSession:
    """One exec or attach."""

    _client: Wire

    def __init__(self, caller: Caller, process: Process, timing: Timing) -> None:
        self._caller = caller
        self._process = process
        self._timing = timing
        self._clock = Clock(timing)
        self._frames = DockerFrames()
        self._streams: Wire | None = None
        self._early: list[Event] = []
        self._left = False
        self._size: Resize | None = None
        self._size_tries = 0

    def run(self, client: Wire) -> None:
        """Returns when all is over and told; the client's connection is the caller's to close."""
        self._client = client
        try:
            status = self._set_up() or self._move()
            if status is not None:
                self._client.send(self._caller.result(status))
        except ProtocolError as error:
            log.info("client broke the protocol error=%s", error)
            self._left = True
            self._client.send(self._caller.abort(error))
        finally:
            self._let_go()
        say_farewell(self._client, self._timing)

    def _set_up(self) -> Status | None:
        """Wait until the client is ready, and begin; a Status when that failed."""
        self._reply()
        deadline = time.monotonic() + self._timing.setup_s
        while not self._caller.ready:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return failure("timed out waiting for client to create streams")
            if wait([Interest(self._client, reading=True)], left_s):
                self._hear()
            if self._left:
                return None
        try:
            self._streams = Wire(*self._process.open())
        except (RuntimeFailure, TimeoutError) as error:
            return failure(str(error))
        return None

    def _move(self) -> Status | None:
        """Until the process ends, which gives a Status, or the client does."""
        streams = self._streams
        if streams is None:
            return None
        early, self._early = self._early, []
        for event in early:
            self._take(event)
        while not self._left:
            client = Interest(self._client, reading=not streams.full, watched=True)
            ready = wait([client, Interest(streams, reading=not self._client.full)], self._wait_s())
            if self._client in ready:
                self._hear()
            if streams in ready:
                self._tell(streams.receive())
            if streams.ended:
                return of(self._process.outcome)
            self._left = self._left or self._client.ended or self._client.broken
            if not self._keep_up():
                return failure("the container has ended")
        return None

    def _wait_s(self) -> float:
        return _RESIZE_RETRY_S if self._size is not None else self._clock.left_s()

    def _hear(self) -> None:
        data = self._client.receive()
        self._left = self._left or self._client.ended
        for event in self._caller.feed(data):
            self._take(event)
        self._reply()

    def _reply(self) -> None:
        if self._caller.replies:
            self._client.send(bytes(self._caller.replies))
            self._caller.replies.clear()

    def _take(self, event: Event) -> None:
        if isinstance(event, HungUp):
            self._left = True
        elif self._streams is None:
            self._early.append(event)
        elif isinstance(event, Input):
            self._clock.note_activity()
            self._streams.send(event.data)
        elif isinstance(event, InputEnd):
            if self._process.ends_with_input:
                self._streams.end_sending()
        else:
            self._size, self._size_tries = event, _RESIZE_TRIES
            self._resize()

    def _tell(self, data: bytes) -> None:
        if not data:
            return
        self._clock.note_activity()
        pieces = [(STDOUT, data)] if self._process.tty else self._frames.feed(data)
        for channel, piece in pieces:
            self._client.send(self._caller.output(channel, piece))

    def _keep_up(self) -> bool:
        """What is due by the clock; False when there is nothing more to wait for."""
        if self._size is not None:
            self._resize()
        if self._clock.ping_is_due():
            if self._process.is_lost():
                return False
            if not self._client.full:
                self._client.send(self._caller.ping())
        if self._clock.is_idle():
            log.info("session ended, nothing was said seconds=%g", self._timing.idle_s)
            self._left = True
        return True

    def _resize(self) -> None:
        size, self._size_tries = self._size, self._size_tries - 1
        assert size is not None
        try:
            self._process.resize(size.width, size.height)
        except RuntimeFailure as error:
            if self._size_tries > 0:
                return
            log.info("terminal not resized error=%s", error)
        self._size = None

    def _let_go(self) -> None:
        if self._streams is None:
            return
        self._streams.close()
        if self._left:
            try:
                self._process.abandon()
            except RuntimeFailure as error:
                log.warning("process of a client that left not ended error=%s", error)
