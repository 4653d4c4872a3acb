"""The ranges of pods and services against the host's own routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok

OUR_PROTOCOLS = (83, 84)  # of routes: netproxy's to services, the agent's to pods of other nodes


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table. `protocol` as in rtnetlink(7)."""

    cidr: str
    device: str
    protocol: int = 0


def judge(settings: Settings, found: Sequence[Route]) -> Sequence[Finding]:
    """An address that the host has elsewhere is not reached as a pod or a service, or the other way round."""
    findings = []
    for what, flag in ((settings.pod_cidr, "pod-cidr"), (settings.service_cidr, "service-cidr")):
        wanted = ip_network(what)
        for route in found:
            cidr = ip_network(route.cidr)
            strange = route.protocol not in OUR_PROTOCOLS and not _is_ours(settings, route.device)
            if strange and cidr.prefixlen and cidr.version == wanted.version and cidr.overlaps(wanted):
                message = f"{flag} {what} overlaps the route {cidr} over {route.device}"
                advice = f"choose another range: steersman down, then steersman up --{flag}; or take the route away"
                findings.append(fail(message, advice))
    return findings or ok(f"pods {settings.pod_cidr}, services {settings.service_cidr}")


def _is_ours(settings: Settings, device: str) -> bool:
    return device in (settings.bridge, f"{settings.bridge[:12]}-vx", settings.dns_interface)
