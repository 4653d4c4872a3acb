"""The two iptables of a host, behind one seam: `save` tells the nat table, `restore` changes it in one transaction.

Which one a host uses is asked of its own `iptables`: rules in the other one would work too, but the order in which
both act would be nobody's choice. nf_tables is written with `iptables-restore`, legacy with python-iptables, which is
imported then only: it costs tens of MiB.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path
from typing import Protocol

from netproxy.portals.commands import LOCK_WAIT_S, run

log = logging.getLogger(__name__)

AUTO, NFT, LEGACY = "auto", "nft", "legacy"
MODES = (AUTO, NFT, LEGACY)
_LEGACY_TABLES = (Path("/proc/thread-self/net/ip_tables_names"), Path("/proc/net/ip_tables_names"))
"""The first is of the calling thread's network namespace, and not there before Linux 3.17."""


class NatTable(Protocol):
    """The nat table as text of iptables-save and iptables-restore."""

    def save(self) -> str:
        """The table. Raises PortalError."""

    def restore(self, text: str) -> None:
        """Make these changes, all or none; nothing else is flushed. Raises PortalError."""


class NftTable:
    """iptables over nf_tables."""

    def save(self) -> str:
        """The table."""
        return run(usual_command("iptables-nft-save", "iptables-save"), "-t", "nat")

    def restore(self, text: str) -> None:
        """One transaction of nf_tables."""
        # -w is for a host whose command is the legacy one after all.
        command = usual_command("iptables-nft-restore", "iptables-restore")
        run(command, "--noflush", "-w", str(LOCK_WAIT_S), text=text)


def nat_table(mode: str) -> NatTable:
    """The host's table; `mode` is one of MODES. Raises PortalError."""
    chosen = flavour(mode)
    log.debug("iptables chosen mode=%s asked=%s", chosen, mode)
    if chosen == NFT:
        return NftTable()
    from netproxy.portals.legacy import LegacyTable

    return LegacyTable(usual_command("iptables-legacy-save", "iptables-save"))


def flavour(mode: str) -> str:
    """NFT or LEGACY: which one this mode means on this host. Raises PortalError."""
    return probe() if mode == AUTO else mode


def probe() -> str:
    """Which iptables the host's command is: versions before 1.8 tell nothing and are legacy. Raises PortalError."""
    return NFT if "nf_tables" in run("iptables", "--version") else LEGACY


def others_may_hold_rules(mode: str) -> str:
    """The flavour that is not used now, when it is there and may have rules of an earlier start; "" otherwise.

    Asking the legacy one would load its kernel modules: it is asked only when its nat table is there.
    """
    chosen = flavour(mode)
    if chosen == LEGACY:
        return NFT if shutil.which("iptables-nft-save") else ""
    return LEGACY if shutil.which("iptables-legacy-save") and "nat" in legacy_tables() else ""


def legacy_tables() -> list[str]:
    """The tables that legacy iptables has here by now: reading another one would make it."""
    for path in _LEGACY_TABLES:
        with contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="ascii").split()
    return []


def usual_command(exact: str, usual: str) -> str:
    """The command of one flavour; hosts that have one only may know it by its usual name alone."""
    return exact if shutil.which(exact) else usual
