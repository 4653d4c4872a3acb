"""The rules of iptables, of both flavours, and the chains of nf_tables that are not iptables'."""

import json
import shutil
import socket
from pathlib import Path

from cli.cluster import Settings
from cli.doctor.firewall import BaseChain, Firewall
from cli.doctor.flavours import LEGACY, NFT, Flavours
from cli.doctor.look.commands import output

_LEGACY_TABLES = Path("/proc/net/ip_tables_names")


def flavours(_settings: Settings) -> Flavours:
    """The legacy tables are asked only where there are some: asking would make them."""
    if shutil.which("iptables") is None:
        return Flavours("")
    used = NFT if "nf_tables" in output("iptables", "--version") else LEGACY
    return Flavours(used, legacy=_legacy_rules(), nft=_rules("iptables-nft-save"))


def _legacy_rules() -> tuple[str, ...]:
    tables = _LEGACY_TABLES.read_text().split() if _LEGACY_TABLES.exists() else []
    save = "iptables-legacy-save" if shutil.which("iptables-legacy-save") else "iptables-save"
    return _rules(save) if tables else ()


def _rules(save: str) -> tuple[str, ...]:
    if shutil.which(save) is None:
        return ()
    return tuple(line for line in output(save).splitlines() if line.startswith("-A "))


def firewall(settings: Settings) -> Firewall:
    """The filter table of the iptables that the host's command writes."""
    lines = output("iptables-save", "-t", "filter").splitlines() if shutil.which("iptables-save") else []
    kept = tuple(line.strip() for line in lines if line.startswith((":", "-A ")))
    return Firewall(kept, _base_chains(), bridge=_exists(settings.bridge))


def _base_chains() -> tuple[BaseChain, ...]:
    if shutil.which("nft") is None:
        return ()
    chains = [one["chain"] for one in json.loads(output("nft", "-j", "list", "chains"))["nftables"] if "chain" in one]
    return tuple(
        BaseChain(f"{one['family']} {one['table']}", one["hook"], one.get("policy", "accept"))
        for one in chains
        if "hook" in one
    )


def _exists(device: str) -> bool:
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True
