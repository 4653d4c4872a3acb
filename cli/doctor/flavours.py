"""The two iptables of a host, legacy and nf_tables: rules in both act in an order that nobody chose."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

LEGACY, NFT = "legacy", "nf_tables"


@dataclass(frozen=True, slots=True)
class Flavours:
    """Rules of each flavour as iptables-save tells them, and the one that the host's command writes; "" for none."""

    used: str
    legacy: tuple[str, ...] = ()
    nft: tuple[str, ...] = ()


def judge(settings: Settings, found: Flavours) -> Sequence[Finding]:
    """Docker in the one and netproxy in the other is what harms; leftovers may."""
    if not found.used:
        return [fail("there is no iptables", "scripts/setup-host, or: apt-get install iptables")]
    other, rules = (LEGACY, found.legacy) if found.used == NFT else (NFT, found.nft)
    if not rules:
        return ok(f"{found.used} alone")
    makers = sorted({maker for rule in rules if (maker := _maker(settings, rule))})
    save = "iptables-legacy-save" if other == LEGACY else "iptables-nft-save"
    message = f"iptables writes {found.used}, and {len(rules)} rules are in {other}"
    advice = (
        f"see them with {save}; choose one with update-alternatives --set iptables, then restart what wrote the others"
    )
    if makers:
        return [fail(f"{message}, of {' and '.join(makers)}: the order in which both act is nobody's choice", advice)]
    return [warn(message, advice)]


def _maker(settings: Settings, rule: str) -> str:
    if f" {settings.chain_prefix}-" in rule:
        return "ours"
    return "Docker" if " DOCKER" in rule else ""
