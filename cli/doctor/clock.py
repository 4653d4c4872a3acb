"""This host's clock against the master's."""

from collections.abc import Sequence

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn
from cli.doctor.master import ApiServer

WARN_S = 5.0
FAIL_S = 30.0  # a node's lease counts 40 s


def judge(_settings: Settings, found: ApiServer) -> Sequence[Finding]:
    """Certificates, tokens and leases count on clocks that agree."""
    if found.skew_s is None:
        return ok("the API server told no time; not compared")
    apart = abs(found.skew_s)
    if apart < WARN_S:
        return ok("agrees with the API server's")
    behind = "behind" if found.skew_s > 0 else "ahead of"
    message = f"{apart:.0f} s {behind} the API server's: certificates, tokens and leases may be refused"
    advice = "let both keep time: systemctl enable --now systemd-timesyncd (or chrony); timedatectl"
    return [(fail if apart >= FAIL_S else warn)(message, advice)]
