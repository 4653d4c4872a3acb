"""The way back for connections that carry their client's address: what a pod answers must come to this program.

The pod answers to the client, whom the node would forward it to. A rule in the mangle table finds the socket of ours
that it is for and marks the packet, and marked packets are for this node, by a routing rule and a table of their own.
"""

from __future__ import annotations

import logging
import re
import shutil
import zlib

from netproxy.portals.commands import LOCK_WAIT_S, run
from netproxy.portals.routes import ROUTE_PROTOCOL
from netproxy.portals.tables import LEGACY, flavour, legacy_tables, others_may_hold_rules, usual_command

log = logging.getLogger(__name__)

MARK = "0x2000000/0x2000000"
"""One bit, which kube-proxy (0x4000, 0x8000), Docker and firewalld leave alone."""
_FIRST_TABLE, _TABLES = 8_000, 1_000
_EMPTY_CHAIN = re.compile(r":(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ACCEPT \[\d+:\d+\]")


class ReturnPath:
    """The chain, the rule and the table of one proxy. `iptables_mode`: one of tables.MODES. Raises PortalError."""

    def __init__(self, prefix: str, iptables_mode: str) -> None:
        self.chain = f"{prefix}-RETURNS"
        self._mode = iptables_mode
        self._table = str(_FIRST_TABLE + zlib.crc32(prefix.encode()) % _TABLES)
        """Also the priority of the routing rule; other proxies of this host have their own."""
        self._wanted: tuple[str, ...] = ()
        self._written: list[str] | None = None

    def lead(self, pod_cidrs: tuple[str, ...]) -> bool:
        """Lead back what these pods answer; none: remove it all. True when something was written."""
        if pod_cidrs == self._wanted and self._written is not None:
            return False
        if not pod_cidrs:
            self._wanted, self._written = (), []
            return bool(self.remove())
        self._wanted, self._written = pod_cidrs, None
        kind = flavour(self._mode)
        self._route()
        self._write(self._rules(kind), kind)
        return True

    def check(self) -> bool:
        """Put back what somebody changed; True when there was something."""
        if not self._wanted:
            return False
        repaired, kind = self._route(), flavour(self._mode)
        found = self._rules(kind)
        if found != self._written:
            log.warning("rules were changed by another, writing them again chain=%s", self.chain)
            self._write(found, kind)
            repaired = True
        return repaired

    def left(self) -> list[str]:
        """What is there, by name."""
        found = [f"chain {self.chain}" for kind in self._flavours() if self._rules(kind)]
        return found + ([f"routing rule {self._table}"] if self._has_rule() else [])

    def remove(self) -> list[str]:
        """Take all of it out; says what was there."""
        removed = []
        for kind in self._flavours():
            found = self._rules(kind)
            if found:
                lines = [f":{self.chain} - [0:0]", *(self._jump("-D") for line in found if line == self._jump("-A"))]
                self._restore([*lines, f"-X {self.chain}"], kind)
                self._drop_empty_table(kind)
                removed.append(f"chain {self.chain}")
        if self._has_rule():
            run("ip", "-4", "rule", "del", "priority", self._table)
            run("ip", "-4", "route", "flush", "table", self._table)
            removed.append(f"routing rule {self._table}")
        return removed

    def _drop_empty_table(self, kind: str) -> None:
        """iptables over nf_tables makes the table with its first rule, and never takes it away."""
        if kind == LEGACY or shutil.which("nft") is None:
            return
        saved = run(usual_command(f"iptables-{kind}-save", "iptables-save"), "-t", "mangle")
        held = [line for line in saved.splitlines() if line and not line.startswith(("#", "*", "COMMIT"))]
        if all(_EMPTY_CHAIN.fullmatch(line) for line in held):
            run("nft", "delete", "table", "ip", "mangle")

    def _route(self) -> bool:
        """Have the rule and its table; True when one was missing."""
        missing = not self._has_rule()
        if missing:
            run("ip", "-4", "rule", "add", "priority", self._table, "fwmark", MARK, "lookup", self._table)
        route = ("local", "default", "dev", "lo", "table", self._table)
        if f"table {self._table} " not in f"{run('ip', '-4', 'route', 'show', 'table', 'all', 'type', 'local')} ":
            run("ip", "-4", "route", "replace", *route, "proto", ROUTE_PROTOCOL)
            missing = True
        return missing

    def _has_rule(self) -> bool:
        return any(line.startswith(f"{self._table}:") for line in run("ip", "-4", "rule", "show").splitlines())

    def _write(self, found: list[str], kind: str) -> None:
        jump = [] if self._jump("-A") in found else [self._jump("-I")]
        matches = [f"-s {cidr} -p {name}" for cidr in self._wanted for name in ("tcp", "udp")]
        rules = [f"-A {self.chain} {match} -m socket --transparent -j MARK --set-xmark {MARK}" for match in matches]
        self._restore([f":{self.chain} - [0:0]", *jump, *rules], kind)
        self._written = self._rules(kind)
        log.info("rules written chain=%s rules=%d", self.chain, len(rules))

    def _jump(self, how: str) -> str:
        return f"{how} PREROUTING -j {self.chain}"

    def _rules(self, kind: str) -> list[str]:
        """Our lines of the mangle table as iptables tells them; the first one is the chain itself."""
        if kind == LEGACY and "mangle" not in legacy_tables():
            return []
        saved = run(usual_command(f"iptables-{kind}-save", "iptables-save"), "-t", "mangle")
        return [line.partition(" [")[0] for line in saved.splitlines() if self._is_ours(line)]

    def _is_ours(self, line: str) -> bool:
        return line == self._jump("-A") or line.startswith((f":{self.chain} ", f"-A {self.chain} "))

    def _restore(self, lines: list[str], kind: str) -> None:
        text = "\n".join(["*mangle", *lines, "COMMIT", ""])
        command = usual_command(f"iptables-{kind}-restore", "iptables-restore")
        run(command, "--noflush", "-w", str(LOCK_WAIT_S), text=text)

    def _flavours(self) -> list[str]:
        """The one that is used now, and the one that an earlier start may have used."""
        return [kind for kind in (flavour(self._mode), others_may_hold_rules(self._mode)) if kind]
