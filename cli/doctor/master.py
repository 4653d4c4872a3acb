"""The API server, as this host reaches it."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok


@dataclass(frozen=True, slots=True)
class ApiServer:
    """What came of one request. `server` is empty where there is no cluster yet.

    `skew_s`: by how much the server's clock is ahead of ours; None when it did not tell.
    """

    server: str = ""
    supervised: bool = False
    error: str = ""
    refused: bool = False  # nobody listens there
    distrusted: bool = False  # TLS failed
    unready: str = ""
    skew_s: float | None = None


def judge(settings: Settings, found: ApiServer) -> Sequence[Finding]:
    """Without it what runs goes on, and nothing changes."""
    if not found.server:
        return ok("no cluster on this host yet")
    if not found.error:
        if found.unready:
            advice = "kubectl get --raw '/readyz?verbose' says what it waits for; its log says why"
            return [fail(f"{found.server} is not ready: {found.unready}", advice)]
        return ok(f"{found.server} is ready")
    return [fail(f"{found.server}: {found.error}", _advice(settings, found))]


def _advice(settings: Settings, found: ApiServer) -> str:
    if found.distrusted:
        return (
            "its certificate is of another CA, or has ended: compare pki/ca.crt with that of the master, and the clock"
        )
    if found.refused and not found.supervised:
        return "the cluster does not run: steersman up"
    if found.refused:
        return f"it does not run: steersman status, {settings.logs}/apiserver.log"
    return "see that it runs, that a route leads there, and that no firewall drops its port"
