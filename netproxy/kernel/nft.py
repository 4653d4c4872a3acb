"""Running nft: one table of ours, read as JSON, written as one transaction."""

from __future__ import annotations

import shutil

from netproxy.kernel.script import Found, find
from netproxy.portals.commands import run


class NftTable:
    """The table of one chain prefix. Nothing else is touched."""

    def __init__(self, prefix: str) -> None:
        self.name = f"{prefix.lower()}-netproxy"

    def exists(self) -> bool:
        """Whether the table is there; False too on a host without nft."""
        if shutil.which("nft") is None:
            return False
        return f"table ip {self.name}" in run("nft", "list", "tables", "ip").splitlines()

    def read(self) -> Found:
        """What is in it. Raises PortalError."""
        return find(run("nft", "-j", "list", "table", "ip", self.name)) if self.exists() else Found()

    def write(self, script: str) -> None:
        """Make the changes, all or none. Raises PortalError."""
        run("nft", "-f", "-", text=script)

    def remove(self) -> list[str]:
        """Take it out; says so when there was one."""
        if not self.exists():
            return []
        run("nft", "delete", "table", "ip", self.name)
        return [f"nftables table {self.name}"]
