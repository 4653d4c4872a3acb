"""What the agent leaves among the host's cgroups. Only groups in which nothing runs are ever taken away."""

import time
from pathlib import Path

from agent.cgroups.drivers import Cgroupfs, Driver, Systemd
from agent.cgroups.keeper import groups_there
from agent.cgroups.tree import Tree

# The runtime may still be taking away a container's group when Docker says that the container is gone.
_PATIENCE_S = 3.0
_PAUSE_S = 0.05
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
    """Takes them away; what was removed, a sentence each. Raises OSError and BusError.

    What is held is tried again for `_PATIENCE_S`, and then stays: it is another's.
    """
    tree, removed, deadline = Tree(), [], time.monotonic() + _PATIENCE_S
    for driver in _drivers(tree):
        while left := groups_there(driver, tree, root):
            gone = [names for names in left if driver.remove(names)]
            removed += [f"cgroup /{'/'.join(driver.path(names))} removed" for names in gone]
            if len(gone) == len(left) or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_S)
    return removed


def _drivers(tree: Tree) -> list[Driver]:
    """Docker may have had the one and then the other."""
    return [Cgroupfs(tree), *([Systemd(tree)] if _SYSTEMD_RUNS.is_dir() else [])]
