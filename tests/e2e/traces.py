"""What a cluster can leave on a host, as the kernel and Docker tell it: to compare before and after."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.clusters import Cluster


@dataclass(frozen=True, slots=True)
class Traces:
    """All containers, networks, rules, links, addresses, routes, mounts and processes, each as a line of text."""

    containers: frozenset[str]
    networks: frozenset[str]
    rules: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    mounts: frozenset[str]
    processes: frozenset[str]
    cgroups: frozenset[str]

    @classmethod
    def taken(cls, prefix: tuple[str, ...] = (), docker_host: str = "unix:///var/run/docker.sock") -> Traces:
        docker = ("docker", "-H", docker_host)
        return cls(
            containers=_lines(*docker, "ps", "-a", "--format", "{{.Names}}"),
            networks=_lines(*docker, "network", "ls", "--format", "{{.Name}}"),
            rules=_rules(prefix),
            links=_links(prefix),
            routes=_lines(*prefix, "ip", "route", "show", "table", "all"),
            mounts=frozenset(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
            processes=frozenset(_processes()),
            cgroups=frozenset(_cgroups()),
        )

    def beyond(self, before: Traces) -> dict[str, set[str]]:
        """What is here now and was not before, by kind."""
        kinds = ("containers", "networks", "rules", "links", "routes", "mounts", "processes", "cgroups")
        more = {kind: set(getattr(self, kind) - getattr(before, kind)) for kind in kinds}
        return {kind: found for kind, found in more.items() if found}


def _cgroups() -> Iterator[str]:
    """Those of pods. Others' may go while one looks."""
    for folder, _, _ in os.walk("/sys/fs/cgroup"):
        if "kubepods" in Path(folder).parts:
            yield folder


def left_behind(cluster: Cluster, before: Traces) -> dict[str, set[str]]:
    """What is more than before and bears the marks of this cluster: others may work on this host meanwhile."""
    number = cluster.slot.number
    marks = (
        rf"\b10\.15[01]\.{number}\.",
        rf"\b{re.escape(cluster.dns_address)}\b",
        rf"\bE2E{number}-",
        rf"\b{cluster.slot.bridge}\b",
        rf"\b{cluster.slot.dns_interface}\b",
        re.escape(str(cluster.folder)),
        rf"/{cluster.slot.name}/kubepods\b",
    )
    ours = re.compile("|".join(marks))
    more = Traces.taken(cluster.prefix, cluster.docker_host).beyond(before)
    found = {kind: {line for line in lines if ours.search(line)} for kind, lines in more.items()}
    label = f"label=io.steersman.cluster={cluster.slot.name}"
    docker = ("docker", "-H", cluster.docker_host)
    found["containers"] = set(_lines(*docker, "ps", "-aq", "--filter", label))
    found["networks"] = set(_lines(*docker, "network", "ls", "-q", "--filter", label))
    found["files"] = {str(path) for path in files_of(cluster)}
    return {kind: lines for kind, lines in found.items() if lines}


def files_of(cluster: Cluster) -> list[Path]:
    """All that lies below the directories given to the cluster."""
    places = (cluster.root, cluster.folder / "containers", cluster.folder / "pods")
    return [path for place in places for path in (place, *place.rglob("*")) if path.exists() or path.is_symlink()]


def _rules(prefix: tuple[str, ...]) -> frozenset[str]:
    """Rules and chains, without the counters of packets."""
    lines = _lines(*prefix, "iptables-save") | _lines(*prefix, "ip6tables-save")
    return frozenset(line.split(" [")[0] for line in lines if not line.startswith("#"))


def _links(prefix: tuple[str, ...]) -> frozenset[str]:
    shown = subprocess.run([*prefix, "ip", "-j", "addr"], capture_output=True, text=True, check=True, timeout=20)
    lines = set()
    for one in json.loads(shown.stdout):
        lines.add(f"{one['ifname']} ")
        lines.update(f"{one['ifname']} {address['local']}/{address['prefixlen']}" for address in one["addr_info"])
    return frozenset(lines)


def _processes() -> set[str]:
    found = set()
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            # Not the guards of the tests, which wait for the end of theirs.
            if "steersman" in line and '"$@" guard ' not in line:
                found.add(f"{process.pid} {process.name()} {line}")
        except psutil.NoSuchProcess:
            continue
    return found


def _lines(*command: str) -> frozenset[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return frozenset(done.stdout.splitlines())
