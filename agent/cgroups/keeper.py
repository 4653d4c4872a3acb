"""Keeps the cgroups of this node's pods as they should be, and takes away those of pods that are gone.

Level-triggered: what is wanted is compared with what is there after each full look at Docker, and for one pod when it
starts. Where the host does not let us, pods run without a group of their own, and one event says so.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from agent.cgroups.drivers import Cgroupfs, Driver, Systemd
from agent.cgroups.tree import Tree
from agent.cgroups.wanted import BEST_EFFORT, BURSTABLE, Allowance, Names, allowance_of, group_of, parents, pods_group
from agent.config import Config
from agent.dbus import BusError
from agent.runtime.facts import DaemonFacts
from api.core import Pod
from api.scalars import Quantity

log = logging.getLogger(__name__)

Tell = Callable[[str, str, str], None]  # type, reason, message of an event of the node
Kept = Callable[[str, float], None]  # what was done to a group (create, update, destroy), and in how many seconds


class PodCgroups:
    """Thread-safe. ``pods``: those that are wanted now; ``running``: uids that have something on Docker."""

    def __init__(
        self,
        config: Config,
        *,
        cpu_count: int,
        memory_bytes: int,
        pods: Callable[[], Iterable[Pod]],
        running: Callable[[], set[str]],
        tell: Tell,
        kept: Kept,
    ) -> None:
        self._root = config.cgroup_root
        self._bus = config.dbus_address
        self._enabled = config.cgroups_per_qos and config.docker_host.startswith("unix:")
        self._cpu_millis = cpu_count * 1000 - Quantity(config.system_reserved_cpu).millis
        reserved_bytes = Quantity(config.system_reserved_memory).units
        self._memory_bytes = memory_bytes - reserved_bytes if reserved_bytes else 0
        self._pods = pods
        self._running = running
        self._tell = tell
        self._kept = kept
        self._known: set[Names] = set()
        self._lock = threading.Lock()
        self._tree = Tree()
        self._driver: Driver | None = None
        self._problem = ""

    def look(self, facts: DaemonFacts) -> None:
        """After each full look at Docker: all groups as they should be, and none too many."""
        if not self._enabled:
            return
        with self._lock:
            self._driver = driver = driver_of(facts, self._tree, self._bus)
            if driver is not None:
                self._try(lambda: self._keep_all(driver))

    def parent_of(self, pod: Pod) -> str:
        """Docker's CgroupParent for the pod's containers, made now; empty for Docker's own."""
        with self._lock:
            driver = self._driver
            if driver is None:
                return ""
            group = group_of(pod, self._root)
            made = self._try(lambda: self._set(driver, {**self._parents(), group: allowance_of(pod)}))
            return driver.parent(group) if made else ""

    def forget(self, uid: str) -> None:
        """The pod's containers are gone."""
        with self._lock:
            driver, leaf = self._driver, _plain(f"pod{uid}")
            if driver is not None:
                self._try(lambda: self._remove(driver, lambda name: _plain(name) == leaf))

    def _keep_all(self, driver: Driver) -> None:
        pods = list(self._pods())
        self._set(driver, self._parents() | {group_of(pod, self._root): allowance_of(pod) for pod in pods})
        kept = {_plain(f"pod{uid}") for uid in {pod.metadata.uid for pod in pods} | self._running()}
        self._remove(driver, lambda name: _plain(name) not in kept)

    def _parents(self) -> dict[Names, Allowance]:
        return parents(self._pods(), self._root, cpu_millis=self._cpu_millis, memory_bytes=self._memory_bytes)

    def _set(self, driver: Driver, wanted: Mapping[Names, Allowance]) -> None:
        for names, allowance in wanted.items():
            operation = "update" if self._is_there(driver, names) else "create"
            began = time.monotonic()
            driver.apply(names, allowance)
            self._kept(operation, time.monotonic() - began)

    def _is_there(self, driver: Driver, names: Names) -> bool:
        """Looked for once: it costs more than what follows."""
        known = names in self._known or self._tree.is_there(driver.path(names))
        self._known.add(names)
        return known

    def _remove(self, driver: Driver, unwanted: Callable[[str], bool]) -> None:
        for names in groups_of_pods(driver, self._tree, self._root):
            began = time.monotonic()
            if unwanted(names[-1]) and driver.remove(names):
                self._known.discard(names)
                self._kept("destroy", time.monotonic() - began)
                log.info("cgroup removed group=%s", "/".join(names))

    def _try(self, act: Callable[[], None]) -> bool:
        """Whether the host let us. Told once, until it has been well in between."""
        problem = ""
        try:
            act()
        except (OSError, BusError) as error:
            problem = str(error)
        if problem and not self._problem:
            log.warning("pods have no cgroups of their own error=%s", problem)
            self._tell("Warning", "FailedToCreatePodCgroups", f"Pods run without cgroups of their own: {problem}")
        self._problem = problem
        return not problem


def driver_of(facts: DaemonFacts, tree: Tree, bus: str) -> Driver | None:
    """None: Docker has no cgroups to give, or only its user's."""
    if facts.rootless:
        return None
    if facts.cgroup_driver == "systemd":
        return Systemd(tree, bus)
    return Cgroupfs(tree) if facts.cgroup_driver == "cgroupfs" else None


def groups_of_pods(driver: Driver, tree: Tree, root: str) -> list[Names]:
    """Those that are there."""
    top = pods_group(root)
    found = []
    for above in (top, (*top, BURSTABLE), (*top, BEST_EFFORT)):
        leaves = (driver.leaf(name) for name in tree.children(driver.path(above)))
        found += [(*above, leaf) for leaf in leaves if leaf.startswith("pod")]
    return found


def groups_there(driver: Driver, tree: Tree, root: str) -> list[Names]:
    """The groups of pods and those above them, in the order in which they can be removed."""
    top = pods_group(root)
    above = [(*top, BURSTABLE), (*top, BEST_EFFORT), *(top[:depth] for depth in range(len(top), 0, -1))]
    found = [*groups_of_pods(driver, tree, root), *above]
    return [names for names in found if tree.is_there(driver.path(names))]


def _plain(name: str) -> str:
    """systemd's slices have underscores for the dashes of a uid."""
    return name.replace("-", "_")
