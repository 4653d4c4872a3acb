"""The two ways in which Docker is told where a container's cgroup goes, and in which such a group is made."""

from collections.abc import Sequence
from typing import Any, Protocol

from jeepney import DBusAddress

from agent.cgroups.tree import Tree, weight_of
from agent.cgroups.wanted import Allowance, Names
from agent.dbus import SYSTEM_BUS, BusError, call, connected

_SYSTEMD = DBusAddress(
    "/org/freedesktop/systemd1", bus_name="org.freedesktop.systemd1", interface="org.freedesktop.systemd1.Manager"
)
_EXISTS = "org.freedesktop.systemd1.UnitExists"
_NO_SUCH = "org.freedesktop.systemd1.NoSuchUnit"
_INFINITE = 2**64 - 1
_PERIODS_A_SECOND = 10  # the kubelet's quota is of 100 ms, systemd's of a second


class Driver(Protocol):
    """All raise OSError or BusError."""

    def path(self, names: Names) -> tuple[str, ...]:
        """The group's directories."""

    def parent(self, names: Names) -> str:
        """As Docker's CgroupParent has it."""

    def leaf(self, directory: str) -> str:
        """The last name of the group that such a directory stands for."""

    def apply(self, names: Names, allowance: Allowance) -> None:
        """Makes the group, or gives it these limits."""

    def remove(self, names: Names) -> bool:
        """Whether it is gone."""


class Cgroupfs:
    """Docker's own driver: directories are made by hand."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def path(self, names: Names) -> tuple[str, ...]:
        return names

    def parent(self, names: Names) -> str:
        return "/" + "/".join(names)

    def leaf(self, directory: str) -> str:
        return directory

    def apply(self, names: Names, allowance: Allowance) -> None:
        self._tree.apply(names, allowance)

    def remove(self, names: Names) -> bool:
        return self._tree.remove(names)


class Systemd:
    """Docker lets systemd make groups: each is a slice, and only systemd may change it."""

    def __init__(self, tree: Tree, bus: str = SYSTEM_BUS) -> None:
        self._tree = tree
        self._bus = bus

    def path(self, names: Names) -> tuple[str, ...]:
        return tuple(_slice(names[: depth + 1]) for depth in range(len(names)))

    def parent(self, names: Names) -> str:
        return _slice(names)

    def leaf(self, directory: str) -> str:
        return directory.removesuffix(".slice").rpartition("-")[2] if directory.endswith(".slice") else ""

    def apply(self, names: Names, allowance: Allowance) -> None:
        if self._tree.holds(self.path(names), allowance):
            return
        limits = self._properties(allowance)
        made = [
            ("Description", ("s", f"Kubernetes pods: {'/'.join(names)}")),
            *([("Wants", ("as", [_slice(names[:-1])]))] if len(names) > 1 else []),
            ("DefaultDependencies", ("b", False)),
            ("CPUAccounting", ("b", True)),
            ("MemoryAccounting", ("b", True)),
            *limits,
        ]
        name = _slice(names)
        with connected(self._bus) as bus:
            try:
                call(bus, _SYSTEMD, "StartTransientUnit", "ssa(sv)a(sa(sv))", (name, "replace", made, []))
            except BusError as error:
                if error.name != _EXISTS:
                    raise
                call(bus, _SYSTEMD, "SetUnitProperties", "sba(sv)", (name, True, limits))

    def _properties(self, allowance: Allowance) -> list[tuple[str, tuple[str, Any]]]:
        version2 = self._tree.version == 2
        shares = allowance.cpu_shares
        quota_us = allowance.cpu_quota_us * _PERIODS_A_SECOND
        return [
            ("CPUWeight", ("t", weight_of(shares))) if version2 else ("CPUShares", ("t", shares)),
            ("CPUQuotaPerSecUSec", ("t", quota_us or _INFINITE)),
            ("MemoryMax" if version2 else "MemoryLimit", ("t", allowance.memory_bytes or _INFINITE)),
        ]

    def remove(self, names: Names) -> bool:
        """systemd removes the directories when the slice has stopped; it does not stop by itself."""
        try:
            with connected(self._bus) as bus:
                call(bus, _SYSTEMD, "StopUnit", "ss", (_slice(names), "replace"))
        except BusError as error:
            if error.name != _NO_SUCH:
                raise
        return self._tree.remove(self.path(names))


def _slice(names: Sequence[str]) -> str:
    """kubepods-burstable-pod<uid>.slice: a dash leads a level down, so those in names become underscores."""
    return "-".join(name.replace("-", "_") for name in names) + ".slice"
