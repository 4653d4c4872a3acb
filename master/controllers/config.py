"""Settings of the controllers."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What ``steersman controllers`` can be told."""

    kubeconfig: Path = field(
        default=Path("/etc/steersman/controller-manager.kubeconfig"),
        metadata={"help": "kubeconfig with which to reach the API server"},
    )
    cluster_cidr: str = field(
        default="10.244.0.0/16", metadata={"help": "range from which each node gets addresses for its pods"}
    )
    node_cidr_mask_size: int = field(default=24, metadata={"help": "size of each node's range, as a prefix length"})
    node_monitor_period_s: float = field(
        default=5.0, metadata={"help": "seconds between looks at the nodes' heartbeats"}
    )
    node_monitor_grace_period_s: float = field(
        default=40.0, metadata={"help": "seconds of silence after which a node's state is unknown"}
    )
    concurrent_syncs: int = field(default=2, metadata={"help": "workers of each controller"})

    def check(self) -> list[str]:
        problems: list[str] = []
        try:
            prefix = ipaddress.ip_network(self.cluster_cidr).prefixlen
            if not prefix <= self.node_cidr_mask_size <= 30:
                problems.append(f"node-cidr-mask-size: must be from {prefix} (cluster-cidr) to 30")
        except ValueError as error:
            problems.append(f"cluster-cidr: {error}")
        if self.node_monitor_period_s <= 0:
            problems.append("node-monitor-period-s: must be greater than 0")
        if self.node_monitor_grace_period_s <= self.node_monitor_period_s:
            problems.append("node-monitor-grace-period-s: must be greater than node-monitor-period-s")
        if self.concurrent_syncs < 1:
            problems.append("concurrent-syncs: must be at least 1")
        return problems
