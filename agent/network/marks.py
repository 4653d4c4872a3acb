"""By what our things on a host are known, so that those of others, other clusters too, are never touched."""

import zlib

ROUTE_PROTOCOL = 84
"""Of routes to pods: rtnetlink(7) rtm_protocol; above 4 they mean what the user wants. netproxy's routes have 83."""

_METRICS = 1_000_000


def route_metric(cluster: str) -> int:
    """Tells our cluster's routes from those of another one on this host; a route that somebody sets by hand wins."""
    return ROUTE_PROTOCOL * _METRICS + zlib.crc32(cluster.encode()) % _METRICS


def tunnel_name(bridge: str) -> str:
    """The VXLAN device beside a pod bridge; at most 15 characters."""
    return f"{bridge[:12]}-vx"


def chain_name(bridge: str) -> str:
    """Of the chains in the tables filter and nat; at most 28 characters."""
    return f"STEER-PODS-{bridge}"
