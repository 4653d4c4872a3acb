"""The rules beside Docker's: pods of other nodes are let in, and traffic to them keeps its pod's address.

Docker drops what comes for a bridge from outside, and masquerades what leaves it. One chain of ours in each table,
jumped to from the front; written with iptables-restore, whole or not at all, only when it differs.
"""

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from agent.network.peers import Peer

log = logging.getLogger(__name__)

PARENTS = ("FORWARD", "POSTROUTING")
"""The built-in chains that ours hang on."""
# Podman's network plugin keeps the bridges of its networks apart, and leaves these rules when a network is removed.
_PODMANS = ("CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2")
_LIMIT_S = 20.0
_LOCK_S = "10"


class FirewallError(Exception):
    """iptables is missing, or refused."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Our chain in a table: the built-in chain it hangs on, the jump's condition, and the rules."""

    table: str
    name: str
    parent: str
    condition: str
    rules: tuple[str, ...]

    @property
    def jump(self) -> str:
        return f"-A {self.parent} {self.condition} -j {self.name}"

    def lines(self) -> list[str]:
        return [f"-A {self.name} {rule}" for rule in self.rules]


def chains(name: str, bridge: str, own_cidr: str, peers: Sequence[Peer]) -> list[Chain]:
    """As iptables-save shows them. A node speaks to pods from its own address or, through a tunnel, its bridge's."""
    ordered = sorted(peers, key=lambda peer: peer.cidr)
    sources = [source for peer in ordered for source in (peer.cidr, f"{peer.address}/32")]
    return [
        Chain("filter", name, PARENTS[0], f"-o {bridge}", tuple(f"-s {one} -o {bridge} -j ACCEPT" for one in sources)),
        Chain("nat", name, PARENTS[1], f"-s {own_cidr}", tuple(f"-d {one.cidr} -j ACCEPT" for one in ordered)),
    ]


def over_nftables() -> bool:
    """Whether this host's iptables writes nf_tables, whose changes the kernel tells of; not as long as it gives no
    answer."""
    try:
        return "nf_tables" in _version()
    except FirewallError:
        return False


@cache
def _version() -> str:
    return _run("iptables", "--version")


def put(chain: Chain) -> bool:
    """Whether anything was written. Raises FirewallError."""
    saved = _save(chain.table)
    ours = [line for line in saved if line.startswith(f"-A {chain.name} ")]
    jumps = _jumps(saved, chain.name)
    if f":{chain.name} " in "\n".join(saved) and ours == chain.lines() and jumps == [chain.jump]:
        return False
    text = [f"*{chain.table}", f":{chain.name} - [0:0]", *chain.lines()]
    text += [f"-D{jump[2:]}" for jump in jumps]
    text += [f"-I {chain.parent} 1 {chain.condition} -j {chain.name}", "COMMIT", ""]
    _run("iptables-restore", "--noflush", "--wait", _LOCK_S, stdin="\n".join(text))
    return True


def remove(table: str, name: str) -> bool:
    """Takes the chain and the jumps to it out; False when there was none. Raises FirewallError."""
    saved = _save(table)
    if not any(line.startswith(f":{name} ") for line in saved):
        return False
    text = [f"*{table}", f"-F {name}", *(f"-D{jump[2:]}" for jump in _jumps(saved, name)), f"-X {name}", "COMMIT", ""]
    _run("iptables-restore", "--noflush", "--wait", _LOCK_S, stdin="\n".join(text))
    return True


def present(name: str) -> list[str]:
    """The tables that have a chain of this name."""
    return [table for table in ("filter", "nat") if any(ln.startswith(f":{name} ") for ln in _save(table))]


def left_by_podman(bridge: str) -> list[str]:
    """Its rules for our bridge, as iptables-save shows them. Raises FirewallError."""
    own = (f" -i {bridge} ", f" -o {bridge} ")
    rules = [line for line in _save("filter") if line.startswith(tuple(f"-A {name} " for name in _PODMANS))]
    return [rule for rule in rules if any(part in rule for part in own)]


def remove_rules(table: str, rules: Sequence[str]) -> None:
    """All of them or none. Raises FirewallError."""
    text = [f"*{table}", *(f"-D{rule[2:]}" for rule in rules), "COMMIT", ""]
    _run("iptables-restore", "--noflush", "--wait", _LOCK_S, stdin="\n".join(text))


def _jumps(saved: Sequence[str], name: str) -> list[str]:
    return [line for line in saved if line.startswith("-A ") and line.endswith(f" -j {name}")]


def _save(table: str) -> list[str]:
    return [line.strip() for line in _run("iptables-save", "-t", table).splitlines()]


def _run(*command: str, stdin: str = "") -> str:
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise FirewallError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout
