"""Which endpoint a new connection goes to: round robin, with client affinity when the service asks for it.

Pure: no clock and no sockets of its own, the caller passes the time (seconds, monotonic). Rules kept:
a pin belongs to the service, so it survives an empty endpoint list; it dies when its endpoint is missing from a list
that has others; its timeout is the one the service has at the moment of the pick. Endpoints that failed a moment ago
are asked last. Memory is bounded: the clients seen longest ago lose their pins first.
"""

from __future__ import annotations

from collections.abc import Set

from netproxy.services import Endpoint

MAX_PINS = 65_536
SUSPECT_S = 2.0
"""How long an endpoint that refused or timed out is asked only when no other is left."""

_NONE: frozenset[Endpoint] = frozenset()


class Balancer:
    """The picks of one service port. Not thread-safe: the data plane's loop owns it."""

    __slots__ = ("_affinity_s", "_endpoints", "_max_pins", "_next", "_pins", "_suspects")

    def __init__(self, *, max_pins: int = MAX_PINS) -> None:
        self._endpoints: tuple[Endpoint, ...] = ()
        self._affinity_s: float | None = None
        self._next = 0
        self._pins: dict[str, tuple[Endpoint, float]] = {}
        self._suspects: dict[Endpoint, float] = {}
        self._max_pins = max_pins

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The ready endpoints, in the order of the round."""
        return self._endpoints

    @property
    def pins(self) -> int:
        """How many clients are pinned at the moment."""
        return len(self._pins)

    def update(self, endpoints: tuple[Endpoint, ...], affinity_s: float | None) -> None:
        """Take the endpoints that are ready now and the affinity timeout (seconds, None for no affinity)."""
        if endpoints != self._endpoints:
            self._next = self._resume(endpoints)
            self._endpoints = endpoints
        self._affinity_s = affinity_s
        if affinity_s is None:
            self._pins.clear()
        elif endpoints:
            ready = set(endpoints)
            self._pins = {client: pin for client, pin in self._pins.items() if pin[0] in ready}
        self._suspects = {e: until for e, until in self._suspects.items() if e in endpoints}

    def pick(self, client: str, now: float, *, tried: Set[Endpoint] = _NONE) -> Endpoint | None:
        """The endpoint for a new connection of this client; None when there is none that was not tried."""
        if self._affinity_s is None:
            return self._turn(now, tried)
        pin = self._pins.pop(client, None)
        if pin and now - pin[1] < self._affinity_s and pin[0] in self._endpoints and pin[0] not in tried:
            endpoint: Endpoint | None = pin[0]
        else:
            endpoint = self._turn(now, tried)
        if endpoint is not None:
            self._pin(client, endpoint, now)
        elif pin is not None:
            self._pins[client] = pin
        return endpoint

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """A connection to this endpoint was refused or timed out: ask it last for a while."""
        if endpoint in self._endpoints:
            self._suspects[endpoint] = now + SUSPECT_S

    def _pin(self, client: str, endpoint: Endpoint, now: float) -> None:
        self._pins[client] = (endpoint, now)
        if len(self._pins) > self._max_pins:
            del self._pins[next(iter(self._pins))]

    def _turn(self, now: float, tried: Set[Endpoint]) -> Endpoint | None:
        """Next of the round that was not tried; one under suspicion only when there is no better."""
        endpoints, count = self._endpoints, len(self._endpoints)
        if count and not tried and not self._suspects:
            index = self._next % count
            self._next = index + 1
            return endpoints[index]
        fallback = -1
        for step in range(count):
            index = (self._next + step) % count
            endpoint = endpoints[index]
            if endpoint in tried:
                continue
            if self._suspects.get(endpoint, 0.0) <= now:
                self._suspects.pop(endpoint, None)
                self._next = index + 1
                return endpoint
            if fallback < 0:
                fallback = index
        if fallback < 0:
            return None
        self._next = fallback + 1
        return endpoints[fallback]

    def _resume(self, endpoints: tuple[Endpoint, ...]) -> int:
        """Where the round goes on in a new list: at the endpoint whose turn it was, when it is still there."""
        count = len(self._endpoints)
        for step in range(count):
            due = self._endpoints[(self._next + step) % count]
            if due in endpoints:
                return endpoints.index(due)
        return 0
