"""What one service port has done, counted by the loop and read by others without a lock."""

from __future__ import annotations

from netproxy.services import Endpoint


class Tally:
    """A sum of bytes."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Counters:
    """Plain numbers; only the loop's thread writes them."""

    __slots__ = ("accepted", "active", "failed_dials", "picks", "received", "refused", "sent")

    def __init__(self) -> None:
        self.received, self.sent = Tally(), Tally()
        """Bytes that clients have said, and bytes that endpoints have said to them."""
        self.accepted = 0
        """Connections (TCP) or flows (UDP) begun by clients."""
        self.active = 0
        self.refused = 0
        """Clients turned away since no endpoint answered."""
        self.failed_dials = 0
        """Endpoints that refused or timed out; the client may have been served by the next."""
        self.picks: dict[Endpoint, int] = {}

    def picked(self, endpoint: Endpoint) -> None:
        """Count one pick."""
        self.picks[endpoint] = self.picks.get(endpoint, 0) + 1

    def keep(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Forget the picks of endpoints that are gone, so that rolling updates do not grow memory."""
        self.picks = {e: n for e, n in self.picks.items() if e in endpoints}
