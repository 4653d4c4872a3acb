"""Moves bytes between a client and the ports of a pod, any number of connections over the client's one.

All in the thread of the client's connection. What fails on one connection is told there and leaves the others alone.
The client is not read while one of the connections takes nothing: its protocol can hold back only all of them.
"""

import logging
from collections.abc import Callable

from agent.runtime.failures import RuntimeFailure
from agent.server.streaming.farewell import say_farewell
from agent.server.streaming.forwarding import Dropped, Event, Finished, Forwarder, HungUp, Opened, Sent
from agent.server.streaming.link import CannotConnect, Link
from agent.server.streaming.netns import NetworkNamespace
from agent.server.streaming.protocol_error import ProtocolError
from agent.server.streaming.timing import Clock, Timing
from agent.server.streaming.wire import Interest, Wire, wait

log = logging.getLogger(__name__)


class ForwardSession:
    """One port-forward. ``open_namespace`` raises OSError or RuntimeFailure."""

    _client: Wire
    _namespace: NetworkNamespace

    def __init__(self, caller: Forwarder, open_namespace: Callable[[], NetworkNamespace], timing: Timing) -> None:
        self._caller = caller
        self._open_namespace = open_namespace
        self._timing = timing
        self._clock = Clock(timing)
        self._links: dict[int, Link] = {}
        self._left = False

    def run(self, client: Wire) -> None:
        """Returns when the client has left; its connection is the caller's to close."""
        self._client = client
        try:
            self._namespace = self._open_namespace()
        except (OSError, RuntimeFailure) as error:
            log.warning("pod's network not entered error=%s", error)
            client.send(self._caller.goodbye())
        else:
            self._move()
        say_farewell(client, self._timing)

    def _move(self) -> None:
        try:
            for event in self._caller.start():
                self._take(event)
            self._reply()
            while not (self._left or self._client.broken):
                self._turn()
            self._client.send(self._caller.goodbye())
        except ProtocolError as error:
            log.info("client broke the protocol error=%s", error)
            self._client.send(self._caller.abort(error))
        finally:
            for link in self._links.values():
                link.wire.close()
            self._namespace.close()

    def _turn(self) -> None:
        """Wait, and carry on what can be carried on."""
        may_hear = not any(link.wire.full for link in self._links.values())
        interests = [Interest(self._client, reading=may_hear, watched=True)]
        interests += [Interest(link.wire, reading=not self._client.full) for link in self._links.values()]
        ready = wait(interests, self._clock.left_s())
        if self._client in ready:
            self._hear()
        for key, link in list(self._links.items()):
            if link.wire in ready and self._links.get(key) is link:
                self._carry(key, link)
            elif link.wire.broken:
                self._end(key)
        self._left = self._left or self._client.ended
        if self._clock.ping_is_due() and not self._client.full:
            self._client.send(self._caller.ping())
        if self._clock.is_idle():
            log.info("port-forward ended, nothing was said seconds=%g", self._timing.idle_s)
            self._left = True

    def _hear(self) -> None:
        data = self._client.receive()
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
        elif isinstance(event, Opened):
            self._reply()
            self._open(event)
        elif (link := self._links.get(event.key)) is None:
            return  # it ended while this was on its way
        elif isinstance(event, Sent):
            self._clock.note_activity()
            link.wire.send(event.data)
        elif isinstance(event, Finished):
            link.wire.end_sending()
        elif isinstance(event, Dropped):
            self._links.pop(event.key).wire.close()

    def _open(self, event: Opened) -> None:
        self._clock.note_activity()
        try:
            self._links[event.key] = Link(self._namespace, event.port)
        except CannotConnect as error:
            self._fail(event.key, error)

    def _carry(self, key: int, link: Link) -> None:
        """What came from the pod, or became of the attempt to connect."""
        if link.wire.connecting:
            try:
                link.look()
            except CannotConnect as error:
                self._links.pop(key).wire.close()
                self._fail(key, error)
            return
        data = link.wire.receive()
        if data:
            self._clock.note_activity()
            self._client.send(self._caller.data(key, data))
        elif link.wire.ended:
            self._end(key)

    def _end(self, key: int) -> None:
        self._links.pop(key).wire.close()
        self._client.send(self._caller.finish(key))

    def _fail(self, key: int, error: CannotConnect) -> None:
        log.info("port not forwarded error=%s", error)
        self._client.send(self._caller.fail(key, str(error)))
