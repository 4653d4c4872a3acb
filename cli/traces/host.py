"""Mounts, log links, rules, routes, interfaces and directories."""

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from cli.cluster import Settings
from cli.components import COMPONENTS, Component
from cli.derive import config_of
from cli.directories import directories_of, mounts_below, read_claim, remove_tree
from cli.traces.trace import Trace, removed

COMMAND_LIMIT_S = 20


def mounts(settings: Settings) -> list[Trace]:
    """What is mounted in the cluster's own directories, deepest first: volumes of pods. What lies on it stays."""

    def unmounter(point: Path) -> Callable[[], object]:
        command = ["umount", "--", str(point)]
        return lambda: subprocess.run(command, check=True, capture_output=True, timeout=COMMAND_LIMIT_S)

    points = [
        point
        for path, _ in directories_of(settings)
        if path.is_dir() and read_claim(path) is not None
        for point in mounts_below(path)
    ]
    return [removed(f"mount {point}", unmounter(point)) for point in points]


def log_links(settings: Settings, containers: Iterable[str], *, alone: bool) -> list[Trace]:
    """Links to the logs of our containers. `alone`: no other cluster is here, so links that lead nowhere go too."""
    ours = frozenset(containers)
    folders = (settings.container_log_dir, settings.pod_log_dir)
    links = [
        removed(f"link {link}", _link_remover(link, folder))
        for folder in folders
        for link in _links_below(folder)
        if _is_of(link, ours, alone=alone)
    ]
    # With its last link a folder goes too; here those whose last link went before, with the last pod.
    empty = [folder for folder in folders if folder.is_dir() and not any(folder.iterdir())]
    return links + [removed(f"directory {folder}", folder.rmdir) for folder in empty]


def _links_below(folder: Path) -> list[Path]:
    return [
        Path(place, name)
        for place, names, files in os.walk(folder)
        for name in (*files, *names)
        if Path(place, name).is_symlink()
    ]


def _is_of(link: Path, containers: frozenset[str], *, alone: bool) -> bool:
    target = Path(os.path.realpath(link))  # follows what exists, and tells where a broken link wanted to lead
    return any(part in containers for part in target.parts) or (alone and not target.exists())


def _link_remover(link: Path, folder: Path) -> Callable[[], object]:
    def remove() -> None:
        link.unlink(missing_ok=True)
        for parent in link.parents:
            if not parent.is_relative_to(folder) or any(parent.iterdir()):
                break
            parent.rmdir()

    return remove


def components(settings: Settings) -> list[Trace]:
    """Rules, routes and interfaces: each component takes away what it made, by `main.cleanup(config)`."""
    traces = []
    for one in COMPONENTS:
        what = _visible(one, settings) if one.leaves_traces else ""
        if what:
            traces.append(Trace(f"{what} ({one.name})", _cleanup(one, settings)))
    return traces


def _cleanup(component: Component, settings: Settings) -> Callable[[], list[str]]:
    return lambda: [_thing(one) for one in component.cleanup()(config_of(component, settings))]


def _thing(sentence: str) -> str:
    """What was removed, without the verb, which stands before every line that is printed."""
    return sentence.removesuffix(" removed").replace(" removed from ", " from ")


def _visible(component: Component, settings: Settings) -> str:
    """What the component left, as far as can be seen without changing anything; empty for nothing."""
    if component.name == "netproxy":
        from netproxy.traces import seen as seen_rules

        return ", ".join(seen_rules(config_of(component, settings)))
    if component.name == "dns":
        return _seen_dns(settings)
    if component.name == "agent":
        from agent.cgroups.traces import seen as seen_cgroups
        from agent.network.traces import seen

        found = seen(settings.name, settings.bridge)
        found += seen_cgroups(config_of(component, settings).cgroup_root)
        return ", ".join(found)
    raise NotImplementedError(f"how are the traces of {component.name} seen?")


def _seen_dns(settings: Settings) -> str:
    """Its own interface, or its address on loopback where the kernel has no dummy interfaces."""
    if not settings.dns_interface:
        return ""
    if Path("/sys/class/net", settings.dns_interface).exists():
        return f"interface {settings.dns_interface}"
    addresses = _output("ip", "-oneline", "address", "show", "dev", "lo")
    on_loopback = f" {settings.dns_address}/" in addresses
    return f"address {settings.dns_address} on lo" if on_loopback else ""


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_LIMIT_S).stdout


def directories(settings: Settings) -> list[Trace]:
    """The directories with our marker. Those of others are not touched, whatever the settings say."""
    traces = []
    for path, _ in directories_of(settings):
        claim = read_claim(path)
        if claim is not None and claim.cluster == settings.name:
            traces.append(Trace(f"directory {path}", _tree_remover(path)))
        elif path.is_dir():
            traces.append(Trace(f"directory {path} kept: it was not made for cluster {settings.name}", list))
    return traces


def _tree_remover(path: Path) -> Callable[[], list[str]]:
    def remove() -> list[str]:
        claim = read_claim(path)
        return [f"directory {one}" for one in remove_tree(path, claim)] if claim is not None else []

    return remove
