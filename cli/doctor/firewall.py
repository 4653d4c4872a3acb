"""Rules of this host that drop what pods send, or what is sent to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

DROPS = ("DROP", "REJECT")
OWN_TABLES = ("filter", "nat", "mangle", "raw", "security")


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain of nf_tables that the kernel enters by itself, in a table that is not iptables'."""

    table: str
    hook: str
    policy: str


@dataclass(frozen=True, slots=True)
class Firewall:
    """`filter` is the filter table as iptables-save tells it; `bridge` says whether the pods' bridge is there."""

    filter: tuple[str, ...]
    chains: tuple[BaseChain, ...] = ()
    bridge: bool = False


def forward(settings: Settings, found: Firewall) -> Sequence[Finding]:
    """What goes through this host, from and to pods."""
    findings = [*_of_programs(settings, found), *_of_tables(settings, found, "forward")]
    stop = closed(found.filter, "FORWARD", _Match(settings.bridge))
    if stop and found.bridge:
        advice = (
            f"iptables -I FORWARD -i {settings.bridge} -j ACCEPT; iptables -I FORWARD -o {settings.bridge} -j ACCEPT "
            "(Docker does so when it starts: restart it after the firewall)"
        )
        findings.append(fail(f"{stop}: pods reach neither other hosts nor the world", advice))
    elif stop and not _has_chain(found.filter, "DOCKER"):
        advice = "start Docker after the firewall: it lets its own bridges through"
        findings.append(warn(f"{stop}, and Docker has no rules there", advice))
    return findings or ok(f"{stop}; Docker lets its own bridges through" if stop else _open(found, "FORWARD"))


def inward(settings: Settings, found: Firewall) -> Sequence[Finding]:
    """What comes to this host: pods ask for names and services here, clients for node ports."""
    findings = list(_of_tables(settings, found, "input"))
    pods = closed(found.filter, "INPUT", _Match(settings.bridge))
    if pods:
        advice = f"iptables -I INPUT -i {settings.bridge} -j ACCEPT, and keep it in your firewall's own settings"
        findings.append(fail(f"{pods}: pods reach neither services nor names", advice))
    first, _, last = settings.node_port_range.partition("-")
    outside = closed(found.filter, "INPUT", _Match(port=f"{first}:{last}"))
    if outside:
        advice = f"iptables -I INPUT -p tcp --dport {first}:{last} -j ACCEPT, should clients of outside use node ports"
        findings.append(warn(f"{outside}: node ports do not answer from outside", advice))
    api = closed(found.filter, "INPUT", _Match(port=str(settings.apiserver_port)))
    if api:
        advice = f"iptables -I INPUT -p tcp --dport {settings.apiserver_port} -j ACCEPT, should there be other hosts"
        findings.append(warn(f"{api}: other hosts do not reach the API server", advice))
    return findings or ok(_open(found, "INPUT"))


@dataclass(frozen=True, slots=True)
class _Match:
    """The traffic that is asked about: that of an interface, or to a TCP port (or FIRST:LAST)."""

    interface: str = ""
    port: str = ""

    def accepted_by(self, words: Sequence[str]) -> bool:
        """Whether a rule that accepts takes it: by our interface, our port, or with no condition at all."""
        if len(words) == 4:
            return True
        pairs = list(pairwise(words))
        if self.interface:
            narrowed = any(word in ("-p", "-s", "-d", "--ctstate", "--state") for word in words)
            return ("-i", self.interface) in pairs and ("!", "-i") not in pairs and not narrowed
        return any(flag in ("--dport", "--dports") and self.port in said.split(",") for flag, said in pairs)


def closed(rules: Sequence[str], chain: str, match: _Match) -> str:
    """Why a built-in chain does not let this through, in words; empty when it does.

    Read are the chain and those it always goes through; a rule with a condition that is not asked about is passed by.
    """
    verdict = _walk(rules, chain, match, depth=0)
    if verdict == "ACCEPT":
        return ""
    if verdict:
        return f"a rule in {verdict} drops the rest"
    policy = next((line.split()[1] for line in rules if line.startswith(f":{chain} ")), "ACCEPT")
    return f"{chain} has the policy {policy}" if policy in DROPS else ""


def _walk(rules: Sequence[str], chain: str, match: _Match, *, depth: int) -> str:
    """ACCEPT, the chain with the rule that drops, or empty for neither."""
    for words in (line.split() for line in rules if line.startswith(f"-A {chain} ")):
        target = words[words.index("-j") + 1] if "-j" in words else ""
        always = words[2:3] == ["-j"]
        if target == "ACCEPT" and match.accepted_by(words):
            return "ACCEPT"
        if target in DROPS and always:
            return chain
        if target == "RETURN" and always:
            return ""
        if depth < 8 and (always or (match.interface and match.accepted_by(words))):
            inner = _walk(rules, target, match, depth=depth + 1)
            if inner:
                return inner
    return ""


def _has_chain(rules: Iterable[str], name: str) -> bool:
    return any(line.startswith(f":{name} ") for line in rules)


def _of_programs(settings: Settings, found: Firewall) -> list[Finding]:
    """Firewalls that write rules by themselves, and write them again over those of others."""
    findings = []
    if _has_chain(found.filter, "ufw-before-forward") and any("-j ufw-before-forward" in line for line in found.filter):
        advice = f"ufw route allow in on {settings.bridge}; ufw allow in on {settings.bridge}"
        findings.append(warn("ufw is on: it drops what it was not told of", advice))
    zones = _has_chain(found.filter, "FORWARD_IN_ZONES") or _has_chain(found.filter, "FWDI_public")
    if zones or any(chain.table.endswith(" firewalld") for chain in found.chains):
        advice = f"firewall-cmd --permanent --zone=trusted --add-interface={settings.bridge}; firewall-cmd --reload"
        findings.append(warn("firewalld is on: it drops what its zones do not name", advice))
    return findings


def _of_tables(settings: Settings, found: Firewall, hook: str) -> list[Finding]:
    return [
        warn(
            f"table {chain.table} of nf_tables drops at {hook} what it does not name",
            f"see nft list table {chain.table}; let {settings.bridge} through there",
        )
        for chain in found.chains
        if chain.hook == hook and chain.policy == "drop" and chain.table.split()[-1] not in (*OWN_TABLES, "firewalld")
    ]


def _open(found: Firewall, chain: str) -> str:
    return f"nothing in {chain} drops what comes of pods" if found.filter else "no rules"
