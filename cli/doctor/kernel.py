"""What the kernel must have, and how it must be set, for pods to reach each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

FULL_ENOUGH = 0.95
NEARLY_FULL = 0.8
"""Shares of the table of connections from which it fails and warns."""
STRICT = 1  # of rp_filter: 0 off, 1 strict, 2 loose


@dataclass(frozen=True, slots=True)
class Need:
    """A feature: what it is for, whether nothing goes without it, and what to do where it lacks."""

    name: str
    why: str
    needed: bool
    advice: str


NEEDS = (
    Need("bridge", "pods are on a bridge", True, "modprobe bridge, or a kernel with CONFIG_BRIDGE"),
    Need("veth", "pods are linked to their bridge", True, "modprobe veth, or a kernel with CONFIG_VETH"),
    Need("nat", "service addresses are redirected", True, "install iptables; a kernel with CONFIG_NF_NAT"),
    Need("overlay", "Docker's layers", False, "modprobe overlay; without it Docker copies whole images"),
    Need("vxlan", "pods of hosts behind a router", False, "modprobe vxlan, or keep all hosts on one segment"),
    Need("dummy", "the name server's address", False, "modprobe dummy; without it the address is put on lo"),
    Need("sets", "thousands of services by one rule", False, "modprobe ip_set_hash_ipport; else a rule a service"),
    Need("nf_tables", "--proxy-mode=nftables", False, "install nftables; modprobe nf_tables; or keep to userspace"),
    Need("tproxy", "pods see their client's address", False, "modprobe xt_TPROXY; without it pods see the node"),
)  # fmt: skip


def features(_settings: Settings, found: Mapping[str, str]) -> Sequence[Finding]:
    """`found`: feature to why it does not work, empty where it does."""
    findings = [
        (fail if need.needed else warn)(f"no {need.name} ({need.why}): {found[need.name]}", need.advice)
        for need in NEEDS
        if found.get(need.name)
    ]
    return findings or ok(", ".join(need.name for need in NEEDS if need.name in found))


@dataclass(frozen=True, slots=True)
class Forwarding:
    """`net.ipv4.ip_forward`, and interfaces on which forwarding alone is off."""

    on: bool
    off_at: tuple[str, ...] = ()


def forwarding(_settings: Settings, found: Forwarding) -> Sequence[Finding]:
    """Without forwarding no packet leaves a pod's bridge."""
    if not found.on:
        return [
            fail(
                "off: pods reach neither other hosts nor the world",
                "sysctl -w net.ipv4.ip_forward=1; to keep it: echo net.ipv4.ip_forward=1 > /etc/sysctl.d/90-pods.conf",
            )
        ]
    if found.off_at:
        name = found.off_at[0]
        return [fail(f"off at {', '.join(found.off_at)}", f"sysctl -w net.ipv4.conf.{name}.forwarding=1")]
    return ok("on")


def bridge_nf(_settings: Settings, found: str | None) -> Sequence[Finding]:
    """`found`: `bridge-nf-call-iptables`, None where the kernel has no such switch (br_netfilter is not loaded)."""
    if found == "1":
        return ok("on: rules see traffic between pods of one bridge")
    why = "off" if found is not None else "br_netfilter is not loaded"
    advice = "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1 (only proxy-mode nftables needs it)"
    return [warn(f"{why}: in proxy-mode nftables a pod may not reach a service that it serves itself", advice)]


@dataclass(frozen=True, slots=True)
class Connections:
    """How many connections the kernel keeps track of, and the most that it may."""

    count: int
    most: int


def connections(_settings: Settings, found: Connections | None) -> Sequence[Finding]:
    """`found`: None where the kernel keeps track of none (nf_conntrack is not loaded yet)."""
    if found is None:
        return ok("not kept track of yet")
    share = found.count / max(found.most, 1)
    said = f"{found.count} of {found.most} in the kernel's table"
    if share < NEARLY_FULL:
        return ok(said)
    advice = f"sysctl -w net.netfilter.nf_conntrack_max={found.most * 2}; see who opens them: conntrack -L"
    if share < FULL_ENOUGH:
        return [warn(said, advice)]
    return [fail(f"{said}: packets of new ones are dropped when it is full", advice)]


@dataclass(frozen=True, slots=True)
class ReversePath:
    """rp_filter of `all` and of each interface, and the interfaces of the host that have a route."""

    of_all: int
    of: Mapping[str, int]
    routed: frozenset[str] = frozenset()


def reverse_path(settings: Settings, found: ReversePath) -> Sequence[Finding]:
    """The kernel takes the greater value. Strict harms where answers may come by another way than they went."""
    strict = sorted(name for name, value in found.of.items() if max(value, found.of_all) == STRICT)
    tunnels = [name for name in strict if name == f"{settings.bridge[:12]}-vx"]
    outer = [name for name in strict if name in found.routed]
    findings = [
        fail(f"strict at {name}: what comes through the tunnel from a host with two ways is dropped", _loose(name))
        for name in tunnels
    ]
    if len(outer) > 1:
        findings.append(
            warn(
                f"strict at {', '.join(outer)}: with several ways to the network answers may be dropped",
                "; ".join(map(_loose, outer)),
            )
        )
    return findings or ok(f"strict at {', '.join(strict)}, where it does no harm" if strict else "not strict")


def _loose(name: str) -> str:
    return f"sysctl -w net.ipv4.conf.{name}.rp_filter=2 (and net.ipv4.conf.all.rp_filter, if that is 1)"
