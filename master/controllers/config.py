"""Settings of the controllers."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from api.pools import Pool
from master.health import HealthSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(HealthSettings):
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
    node_eviction_rate: float = field(
        default=0.1, metadata={"help": "lost nodes a second, in each zone, whose pods may be driven away"}
    )
    secondary_node_eviction_rate: float = field(
        default=0.01, metadata={"help": "the same in a large zone of which much is away; a small one is left alone"}
    )
    unhealthy_zone_threshold: float = field(
        default=0.55, metadata={"help": "share of a zone's nodes, and more than two, from which much of it is away"}
    )
    large_cluster_size_threshold: int = field(default=50, metadata={"help": "a zone of at most so many nodes is small"})
    load_balancer_pool: tuple[str, ...] = field(
        default=(),
        metadata={"help": "addresses for services of type LoadBalancer: networks, first-last, or single ones"},
    )
    terminated_pod_gc_threshold: int = field(
        default=12500, metadata={"help": "how many pods that have ended are kept; 0: all"}
    )
    concurrent_syncs: int = field(default=2, metadata={"help": "workers of each controller"})

    def check(self) -> list[str]:
        problems = [*self.election_problems(), *self.health_problems()]
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
        for name in ("node_eviction_rate", "secondary_node_eviction_rate", "large_cluster_size_threshold"):
            if getattr(self, name) < 0:
                problems.append(f"{name.replace('_', '-')}: must not be negative")
        if not 0 < self.unhealthy_zone_threshold <= 1:
            problems.append("unhealthy-zone-threshold: must be greater than 0 and at most 1")
        try:
            Pool(self.load_balancer_pool)
        except ValueError as error:
            problems.append(f"load-balancer-pool: {error}")
        if self.terminated_pod_gc_threshold < 0:
            problems.append("terminated-pod-gc-threshold: must not be negative")
        if self.concurrent_syncs < 1:
            problems.append("concurrent-syncs: must be at least 1")
        return problems
