"""What clients of port-forward say and hear, whatever the protocol.

Pure: bytes in, events out. A connection to a port has a ``key``, which the protocol chooses. ``replies`` holds what
must be answered at once.
"""

from dataclasses import dataclass
from typing import Protocol

from agent.server.streaming.protocol_error import ProtocolError

PORT_MAX = 65535
CONNECTIONS_MAX = 256


@dataclass(frozen=True, slots=True)
class Opened:
    """The client wants a connection to a port of the pod."""

    key: int
    port: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The client says something on one."""

    key: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The client says no more on one, but listens."""

    key: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """The client wants no more of one."""

    key: int


@dataclass(frozen=True, slots=True)
class HungUp:
    """The client is done with us."""


Event = Opened | Sent | Finished | Dropped | HungUp


class Forwarder(Protocol):
    """A client, as the session sees it."""

    replies: bytearray

    def start(self) -> list[Event]:
        """What the client wants before it says anything."""

    def feed(self, data: bytes) -> list[Event]:
        """Raises ProtocolError."""

    def data(self, key: int, data: bytes) -> bytes: ...

    def finish(self, key: int) -> bytes:
        """The pod's side has ended one connection."""

    def fail(self, key: int, text: str) -> bytes:
        """One connection could not be made. The others go on."""

    def ping(self) -> bytes: ...

    def goodbye(self) -> bytes:
        """The end of everything."""

    def abort(self, error: ProtocolError, /) -> bytes:
        """The last words to one who broke the protocol."""
