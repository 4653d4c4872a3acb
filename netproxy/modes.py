"""The seam between what is wanted and how it is done: a mode serves service ports on this node.

`userspace` redirects to a data plane of ours, `kernel` has nftables rewrite addresses. All calls are for one control
thread, and raise PortalError, DataPlaneError or OSError when they cannot be done; call again then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from netproxy.dataplane.counters import Counters
from netproxy.dataplane.plane import Clash
from netproxy.services import Desired, PortName

USERSPACE, NFTABLES = "userspace", "nftables"
MODES = (USERSPACE, NFTABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a pass."""

    wrote_rules: bool
    clashes: tuple[Clash, ...] = ()
    """Node ports that somebody else has; tried again at each pass."""
    proxy_ports: Mapping[PortName, int] = field(default_factory=dict)
    refuse_port: int = 0
    cluster_port: int = 0


class Mode(Protocol):
    """One way to serve."""

    @property
    def alive(self) -> bool:
        """Whether it still serves."""

    @property
    def faults(self) -> int:
        """Unexpected errors contained."""

    @property
    def accept_pauses(self) -> int:
        """How often new clients had to wait since descriptors ran out."""

    def start(self) -> None:
        """Start what runs beside the control thread."""

    def stop(self) -> None:
        """End it. Rules and route stay for the next start."""

    def apply(self, desired: Desired, touched: Iterable[PortName] | None = None) -> Done:
        """Serve exactly this. `touched`: the ports that may differ from the last call, which went well; None: all."""

    def settle(self) -> None:
        """What is wanted was told, and is served: let go of ports that an earlier start had open for more."""

    def check(self) -> bool:
        """Put back what somebody else changed; True when there was something."""

    def check_untold(self) -> bool:
        """The same for that alone of which the kernel tells nothing, when `chains` names any."""

    def chains(self) -> frozenset[str]:
        """Chains of nf_tables in which nothing of ours may be deleted; none where the kernel tells nothing of them."""

    def counters(self) -> Mapping[PortName, Counters]:
        """What each service port has done, to be read only; empty where the kernel does not count it."""
