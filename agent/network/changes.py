"""Brings the kernel's routes, tunnel and tunnel ends to what is wanted; only what differs is written."""

import logging
from collections.abc import Callable
from functools import partial

from pyroute2 import NetlinkError

from agent.network.kernel import Kernel
from agent.network.peers import Problem
from agent.network.wanted import Route, Wanted

log = logging.getLogger(__name__)


def bring_to(kernel: Kernel, wanted: Wanted, *, device: str) -> tuple[list[str], list[Problem]]:
    """What was done, a phrase each, and what could not be. One route that fails leaves the others alone."""
    done = list[str]()
    problems = list[Problem]()

    def attempt(node: str, phrase: str, action: Callable[[], object]) -> None:
        try:
            action()
            done.append(phrase)
        except (NetlinkError, OSError) as error:
            problems.append(Problem(node, f"{phrase}: {error}"))

    actual = kernel.routes()
    # A route whose way has changed is replaced, never first removed.
    kept = {route.cidr for route in wanted.routes}
    for route in sorted(actual - wanted.routes, key=lambda route: route.cidr):
        if route.cidr not in kept:
            attempt("", f"route {route.cidr} removed", partial(kernel.remove_route, route))
    _tunnel(kernel, wanted, device, attempt)
    actual = kernel.routes()
    for route in sorted(wanted.routes - actual, key=lambda route: route.cidr):
        inside = route.device == device
        attempt(_owner(wanted, route), f"route {route.cidr} via {route.gateway} dev {route.device}",
                partial(kernel.put_route, route, through_tunnel=inside))  # fmt: skip
    return done, problems


def _tunnel(
    kernel: Kernel, wanted: Wanted, device: str, attempt: Callable[[str, str, Callable[[], object]], None]
) -> None:
    found = kernel.tunnel(device)
    if wanted.tunnel is None:
        if found is not None:
            attempt("", f"tunnel {device} removed", lambda: kernel.remove_tunnel(device))
        return
    tunnel = wanted.tunnel
    if found != tunnel:
        attempt("", f"tunnel {device} vni {tunnel.vni} mtu {tunnel.mtu}", lambda: kernel.put_tunnel(tunnel))
        if kernel.tunnel(device) is None:
            return
    for end in sorted(wanted.ends - kernel.ends(device), key=lambda end: end.host):
        attempt("", f"tunnel end {end.host}", partial(kernel.put_end, device, end))
    kernel.keep_only_ends(device, wanted.ends)


def _owner(wanted: Wanted, route: Route) -> str:
    return next((peer.name for peer in wanted.peers if peer.cidr == route.cidr), "")
