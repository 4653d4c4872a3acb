"""Cgroups, disks, ports and resolvers of this host."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil

from cli import board
from cli.cluster import Settings
from cli.components import COMPONENTS, component
from cli.derive import config_of
from cli.doctor.cgroups import NEEDED, WANTED, Cgroups
from cli.doctor.ports import Listener, Listeners, wanted
from cli.doctor.storage import Disk
from clusterdns.upstreams import parse_resolv_conf, parse_server

_MOUNTS = Path("/proc/self/mounts")
_UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")  # whom systemd-resolved asks
_STUB = "127.0.0.53"


def cgroups(_settings: Settings) -> Cgroups:
    """Version 1 where its controllers are mounted one by one, as Docker decides it too."""
    names, read_only = set(), False
    for line in _MOUNTS.read_text().splitlines():
        _source, _point, kind, options = line.split()[:4]
        held = set(options.split(",")) & {*NEEDED, *WANTED}
        if kind == "cgroup" and held:
            names |= held
            read_only = read_only or "ro" in options.split(",")
    if names:
        return Cgroups(1, frozenset(names), read_only)
    if not _UNIFIED.exists():
        return Cgroups(0)
    read_only = not os.access(_UNIFIED.parent, os.W_OK) and os.geteuid() == 0
    return Cgroups(2, frozenset(_UNIFIED.read_text().split()), read_only)


def disks(settings: Settings) -> tuple[Disk, ...]:
    """The file systems of our state, of the logs and of Docker's usual place, each once."""
    uses: dict[int, list[tuple[Path, str]]] = {}
    for path, use in ((settings.data, "state"), (settings.logs, "logs"), (Path("/var/lib/docker"), "Docker")):
        there = next(one for one in (path, *path.parents) if one.exists())
        uses.setdefault(there.stat().st_dev, []).append((there, use))
    return tuple(_disk(found[0][0], tuple(use for _, use in found)) for found in uses.values())


def _disk(path: Path, uses: tuple[str, ...]) -> Disk:
    while not path.is_mount() and path != path.parent:
        path = path.parent
    status = os.statvfs(path)
    inodes = 100 * status.f_favail / status.f_files if status.f_files else 100.0
    return Disk(str(path), uses, 100 * status.f_bavail / max(1, status.f_blocks), inodes)


def listeners(settings: Settings) -> Listeners:
    """TCP sockets that listen, UDP sockets that are bound and not connected."""
    written = board.read(settings.run)
    ours = {process.pid for process in written.processes} if written is not None else set()
    found = tuple(_sockets())
    ours |= {one.pid for one in found if _is_component(one.pid)}
    return Listeners(found, frozenset(ours), wanted(settings))


def _sockets() -> Iterator[Listener]:
    for kind, protocol, status in (("tcp", "tcp", psutil.CONN_LISTEN), ("udp", "udp", psutil.CONN_NONE)):
        for one in psutil.net_connections(kind):
            if one.status == status and one.laddr and not one.raddr:
                yield Listener(protocol, one.laddr.ip, one.laddr.port, one.pid or 0, _name(one.pid))


def _name(pid: int | None) -> str:
    try:
        return psutil.Process(pid).name() if pid else ""
    except psutil.NoSuchProcess:
        return ""


def _is_component(pid: int) -> bool:
    """Whether it is a component that was started alone: `steersman netproxy`."""
    try:
        words = psutil.Process(pid).cmdline() if pid else []
    except psutil.Error:
        return False
    names = {one.name for one in COMPONENTS}
    return any(Path(word).name in ("steersman", "cli.steersman") and after in names for word, after in pairwise(words))


def resolvers(settings: Settings) -> tuple[str, ...]:
    """Whom clusterdns asks; behind systemd-resolved also whom that asks."""
    config = config_of(component("dns"), settings)
    if config.upstreams:
        return tuple(parse_server(text).address for text in config.upstreams)
    found = [server.address for server in parse_resolv_conf(config.resolv_conf.read_text())]
    if _STUB in found and _BEHIND_STUB.exists():
        found += [server.address for server in parse_resolv_conf(_BEHIND_STUB.read_text())]
    return tuple(found)
