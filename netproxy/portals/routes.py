"""The route that lets service addresses leave a program on the node itself.

A connection to a cluster address is redirected after routing, so the node needs a route for the service range, also
when it has no default route or lost it. The range is led to the loopback device: everything for it is redirected or
refused before it gets there. Our route carries a protocol number, so that cleanup takes no other.
"""

from __future__ import annotations

from netproxy.portals.commands import run

ROUTE_PROTOCOL = "83"
"""rtnetlink(7) rtm_protocol: above 4 they mean what the user wants."""


class ServiceRoute:
    """The route of one service range."""

    def __init__(self, cidr: str) -> None:
        self.cidr = cidr

    def ensure(self) -> bool:
        """Add the route unless the very range is routed already, by us or somebody else; True when it was added."""
        if run("ip", "-4", "route", "show", "exact", self.cidr).strip():
            return False
        run("ip", "-4", "route", "add", self.cidr, "dev", "lo", "proto", ROUTE_PROTOCOL)
        return True

    def is_ours(self) -> bool:
        """Whether our route is there."""
        return bool(run("ip", "-4", "route", "show", "exact", self.cidr, "proto", ROUTE_PROTOCOL).strip())

    def remove(self) -> bool:
        """Take our route out; False when there was none."""
        if not self.is_ours():
            return False
        run("ip", "-4", "route", "del", self.cidr, "dev", "lo", "proto", ROUTE_PROTOCOL)
        return True
