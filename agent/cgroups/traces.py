"""What the agent leaves among the host's cgroups. Only groups in which nothing runs are ever taken away."""

from pathlib import Path

from agent.cgroups.drivers import Cgroupfs, Driver, Systemd
from agent.cgroups.keeper import groups_there
from agent.cgroups.tree import Tree

_SYSTEMD_RUNS = Path("/run/systemd/system")


def seen(root: str) -> list[str]:
    """Names of the groups of pods and of those above them, deepest first. Changes nothing."""
    tree = Tree()
    return [
        f"cgroup /{'/'.join(driver.path(names))}"
        for driver in _drivers(tree)
        for names in groups_there(driver, tree, root)
    ]


def cleanup(root: str) -> list[str]:
    """Takes them away; what was removed, a sentence each. Raises OSError and BusError."""
    tree, removed = Tree(), []
    for driver in _drivers(tree):
        for names in groups_there(driver, tree, root):
            path = driver.path(names)
            if driver.remove(names):
                removed.append(f"cgroup /{'/'.join(path)} removed")
    return removed


def _drivers(tree: Tree) -> list[Driver]:
    """Docker may have had the one and then the other."""
    return [Cgroupfs(tree), *([Systemd(tree)] if _SYSTEMD_RUNS.is_dir() else [])]
