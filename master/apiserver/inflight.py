"""How many requests may be worked on at a time; what comes beyond is told to come back (429, Retry-After).

On one event loop most requests are answered in the turn in which they are read, and are never in flight beside another.
What waits is counted: writes, until they are durable, each with its body and its object in memory; reads that need a
node or another master. As in Kubernetes, watches and other streams do not count, nor do the administrators, who must
get in when nobody else does.
"""

import sys

from api.errors import TooManyRequests
from master.apiserver.authentication.user import User

_READS = ("get", "list")
_LONG = ("log", "proxy", "exec", "attach", "portforward")


class Lane:
    """The requests of one sort that are waiting."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 0

    @property
    def full(self) -> bool:
        return self.now >= self._most

    def enter(self) -> None:
        """From the moment at which it is known that the request waits: many may come in one turn of the loop."""
        self.now += 1

    def leave(self) -> None:
        self.now -= 1


class InFlight:
    """Two lanes, as ``--max-requests-inflight`` and ``--max-mutating-requests-inflight`` have it."""

    def __init__(self, *, reading: int, writing: int) -> None:
        self.reading = Lane(reading)
        self.writing = Lane(writing)
        self.unlimited = Lane(sys.maxsize)

    def lane(self, verb: str, subresource: str) -> Lane:
        """The one in which a request would wait."""
        if verb == "watch" or subresource in _LONG:
            return self.unlimited
        return self.reading if verb in _READS else self.writing


def check_room(lane: Lane, user: User) -> None:
    """Raises TooManyRequests when the lane is full, but for administrators."""
    if lane.full and not user.is_master:
        raise TooManyRequests("the server has too many requests in flight, please try again later")
