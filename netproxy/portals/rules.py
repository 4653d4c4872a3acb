"""The rules as values: built purely, compared as text, written by `iptables`.

The shape is constant, only the entries grow with the services::

    PREROUTING, OUTPUT -> <PREFIX>-PREROUTING, <PREFIX>-OUTPUT
        service range   -> <PREFIX>-CLUSTER    one rule per cluster address and port; the rest of the range is refused
        anything        -> <PREFIX>-EXTERNAL   one rule per external or load-balancer address and port
        local addresses -> <PREFIX>-NODEPORT   one rule per node port

so traffic that is not for a service passes three rules. Refusing is done in the same table, by a redirect to a port at
which the kernel answers with a reset (TCP) or "port unreachable" (UDP): it works wherever others put their own rules
in the filter table, and everything is one table, so one transaction.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from netproxy.services import PortName, Protocol, Wanted

MAX_CHAIN_NAME = 28
"""Characters the kernel takes for the name of a chain, xtables-legacy."""

_SUFFIXES = ("PREROUTING", "OUTPUT", "CLUSTER", "EXTERNAL", "NODEPORT")
MAX_PREFIX = MAX_CHAIN_NAME - 1 - max(map(len, _SUFFIXES))

_COMMENT = re.compile(r"[^A-Za-z0-9._:/-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """Where one service port is reached, and the local port that serves it."""

    name: str
    protocol: Protocol
    target_port: int
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The content of our chains in the nat table, and the jumps that lead into them."""

    chains: tuple[str, ...]
    rules: tuple[str, ...]
    """Lines as iptables-restore takes them."""
    jumps: tuple[tuple[str, str], ...]
    """Built-in chain, our chain."""


def portals(
    wanted: Wanted, proxy_ports: Mapping[PortName, int], held: Mapping[PortName, int], refuse_port: int
) -> tuple[Portal, ...]:
    """The portals of a wanted state, in the order of names.

    A service port without endpoints leads to the refusing port. A node port is redirected only while it is held:
    otherwise another program answers there, and its clients are not ours.
    """
    found = []
    for name, port in sorted(wanted.items()):
        found.append(
            Portal(
                name=str(name),
                protocol=port.protocol,
                target_port=proxy_ports[name] if port.endpoints else refuse_port,
                cluster_ip=port.cluster_ip,
                port=port.port,
                node_port=held.get(name, 0),
                external_ips=tuple(dict.fromkeys(port.external_ips + port.load_balancer_ips)),
            )
        )
    return tuple(found)


def build(wanted: Iterable[Portal], *, prefix: str, cluster_cidr: str, refuse_port: int) -> Ruleset:
    """All rules for these portals. A cluster address outside the service range is treated as an external one."""
    cidr = ipaddress.IPv4Network(cluster_cidr)
    chain = {suffix: f"{prefix}-{suffix}" for suffix in _SUFFIXES}
    cluster: list[str] = []
    external: list[str] = []
    node: list[str] = []
    for portal in wanted:
        inside = ipaddress.IPv4Address(portal.cluster_ip) in cidr
        (cluster if inside else external).append(_to_address(portal, portal.cluster_ip))
        external += [_to_address(portal, address) for address in portal.external_ips]
        if portal.node_port:
            node.append(f"{_match(portal, portal.node_port)} {_redirect(portal.target_port)}")
    skeleton = [
        f"-A {chain[entry]} {match}-j {chain[target]}"
        for entry in ("PREROUTING", "OUTPUT")
        for match, target in (
            (f"-d {cidr} ", "CLUSTER"),
            ("", "EXTERNAL"),
            ("-m addrtype --dst-type LOCAL ", "NODEPORT"),
        )
    ]
    refuse = [f"-p {protocol} {_redirect(refuse_port)}" for protocol in ("tcp", "udp")]
    return Ruleset(
        chains=tuple(chain.values()),
        rules=(
            *skeleton,
            *(f"-A {chain['CLUSTER']} {rule}" for rule in cluster + refuse),
            *(f"-A {chain['EXTERNAL']} {rule}" for rule in external),
            *(f"-A {chain['NODEPORT']} {rule}" for rule in node),
        ),
        jumps=(("PREROUTING", chain["PREROUTING"]), ("OUTPUT", chain["OUTPUT"])),
    )


def chains_of(prefix: str) -> tuple[str, ...]:
    """The names of all chains a proxy with this prefix makes."""
    return tuple(f"{prefix}-{suffix}" for suffix in _SUFFIXES)


def restore_text(ruleset: Ruleset, missing_jumps: Iterable[tuple[str, str]]) -> str:
    """Input for `iptables-restore --noflush`: our chains anew, everything else untouched.

    The jumps come first in their chains: what other programs redirect on the same addresses must not hide services.
    """
    lines = ["*nat", *(f":{chain} - [0:0]" for chain in ruleset.chains)]
    lines += [f"-I {builtin} 1 -j {chain}" for builtin, chain in missing_jumps]
    return "\n".join([*lines, *ruleset.rules, "COMMIT", ""])


def removal_text(prefix: str, jump_lines: Iterable[str], chains: Iterable[str]) -> str:
    """Input for `iptables-restore --noflush` that takes out these jumps and chains."""
    mine = [chain for chain in chains_of(prefix) if chain in set(chains)]
    lines = ["*nat", *(f":{chain} - [0:0]" for chain in mine)]
    lines += [line.replace("-A ", "-D ", 1) for line in jump_lines]
    lines += [f"-X {chain}" for chain in mine]
    return "\n".join([*lines, "COMMIT", ""])


@dataclass(frozen=True, slots=True)
class Found:
    """Our part of what `iptables-save -t nat` shows."""

    chains: tuple[str, ...]
    rules: tuple[str, ...]
    jumps: tuple[str, ...]
    """Lines in the built-in chains that jump into ours."""

    def has_jump(self, builtin: str, chain: str) -> bool:
        """Whether the built-in chain leads to ours without a condition."""
        return f"-A {builtin} -j {chain}" in self.jumps


def find(saved: str, prefix: str) -> Found:
    """Pick our part out of the text of `iptables-save -t nat`."""
    own = set(chains_of(prefix))
    chains, rules, jumps = [], [], []
    for line in saved.splitlines():
        words = line.split()
        if line.startswith(":") and words[0][1:] in own:
            chains.append(words[0][1:])
        elif line.startswith("-A ") and words[1] in own:
            rules.append(line)
        elif line.startswith("-A ") and _target(words) in own:
            jumps.append(line)
    return Found(tuple(chains), tuple(rules), tuple(jumps))


def _target(words: list[str]) -> str:
    return words[words.index("-j") + 1] if "-j" in words else ""


def _to_address(portal: Portal, address: str) -> str:
    return f"-d {ipaddress.IPv4Address(address)}/32 {_match(portal, portal.port)} {_redirect(portal.target_port)}"


def _match(portal: Portal, port: int) -> str:
    protocol = portal.protocol.value.lower()
    comment = _COMMENT.sub("_", portal.name)
    return f'-p {protocol} -m {protocol} --dport {port} -m comment --comment "{comment}"'


def _redirect(port: int) -> str:
    return f"-j REDIRECT --to-ports {port}"
