"""The host's resolvers: the name server asks them for all names that are not the cluster's."""

from collections.abc import Sequence

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn


def judge(settings: Settings, found: Sequence[str]) -> Sequence[Finding]:
    """`found`: the addresses in the file that clusterdns reads, and in those that lie behind a local resolver."""
    if settings.dns_address in found:
        others = [one for one in found if one != settings.dns_address]
        message = f"this host asks {settings.dns_address}, our own name server, which asks the host's resolvers: a ring"
        advice = "name a resolver of your network in /etc/resolv.conf, or in upstreams of <config-dir>/dns.yaml"
        return [fail(message, advice) if not others else warn(f"{message}; it is left out", advice)]
    if not found:
        advice = "name one in /etc/resolv.conf, or in upstreams of <config-dir>/dns.yaml"
        return [warn("none: pods find no names outside of the cluster", advice)]
    return ok(", ".join(dict.fromkeys(found)))
