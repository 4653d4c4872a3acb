"""How long the certificates of the cluster last."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

SOON_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """A file with a certificate, and the days that it has left. `error` when it cannot be read."""

    path: str
    days: float = 0.0
    authority: bool = False
    error: str = ""


def judge(_settings: Settings, found: Sequence[Certificate]) -> Sequence[Finding]:
    """Nobody talks to whom shows a certificate that has ended."""
    findings = [finding for one in found for finding in _judge(one)]
    if not found:
        return ok("none yet: steersman up makes them")
    return findings or ok(f"{len(found)}; the first ends in {min(one.days for one in found):.0f} days")


def _judge(one: Certificate) -> list[Finding]:
    advice = "steersman up renews it, and a cluster that runs by itself: see its log"
    if one.authority:
        advice = "steersman down, remove pki/ca.crt, steersman up: it is made again from the same key"
    if one.error:
        return [fail(f"{one.path} cannot be used: {one.error}", "put the right file back, or remove it and restart")]
    if one.days <= 0:
        return [fail(f"{one.path} ended {-one.days:.0f} days ago", advice)]
    return [warn(f"{one.path} ends in {one.days:.0f} days", advice)] if one.days < SOON_DAYS else []
