"""What the ways to other nodes leave on a host: to be seen, and to be taken away."""

import logging

from agent.network import firewall
from agent.network.keeper import firewall_has, has_device, has_routes
from agent.network.marks import chain_name, route_metric, tunnel_name

log = logging.getLogger(__name__)


def seen(cluster: str, bridge: str) -> list[str]:
    """What is there, a phrase each; nothing is changed."""
    name, tunnel = chain_name(bridge), tunnel_name(bridge)
    found = [f"chain {name} ({table})" for table in firewall_has(name)]
    if rules := _podmans(bridge):
        found.append(f"{len(rules)} rules of Podman for {bridge}")
    if has_routes(route_metric(cluster)):
        found.append("routes to pods of other nodes")
    if has_device(tunnel):
        found.append(f"interface {tunnel}")
    return found


def cleanup(cluster: str, bridge: str) -> list[str]:
    """Removes it; says what was removed, a sentence each. Raises FirewallError, and NetlinkError of pyroute2."""
    name, tunnel, metric = chain_name(bridge), tunnel_name(bridge), route_metric(cluster)
    done = []
    if has_device(tunnel) or has_routes(metric):
        from agent.network.kernel import Kernel

        with Kernel(metric) as kernel:
            for route in sorted(kernel.routes(), key=lambda route: route.cidr):
                kernel.remove_route(route)
                done.append(f"route {route.cidr} removed")
            if kernel.tunnel(tunnel) is not None:
                kernel.remove_tunnel(tunnel)
                done.append(f"interface {tunnel} removed")
    for table in firewall_has(name):
        if firewall.remove(table, name):
            done.append(f"chain {name} ({table}) removed")
    if rules := _podmans(bridge):
        firewall.remove_rules("filter", rules)
        done.append(f"{len(rules)} rules of Podman for {bridge} removed")
    return done


def _podmans(bridge: str) -> list[str]:
    """A host without iptables has none."""
    try:
        return firewall.left_by_podman(bridge)
    except firewall.FirewallError as error:
        log.debug("rules not seen error=%s", error)
        return []
