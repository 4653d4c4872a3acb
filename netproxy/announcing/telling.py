"""What is told of addresses: metrics of those that this node answers for, and an event on each service they lead to.

The names are MetalLB's, whose dashboards and users know them.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Key = tuple[str, str]
Tell = Callable[[Key, str, str], None]
"""Namespace and name of a service, reason, message."""
_ANNOUNCED = (
    "Services being announced from this node. This is desired state, it does not guarantee that the routing protocols "
    "have converged."
)


class Telling(Collector):
    """Of one node. The announcer writes, who scrapes reads."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._announced: frozenset[tuple[str, Key]] = frozenset()
        self._taken_over = self._claimed = 0
        self.tell: Tell = lambda *_: None

    def claimed(self, *, instead_of: str) -> None:
        """A lease is ours now; ``instead_of``: the node that was silent, or empty."""
        self._claimed += 1
        self._taken_over += bool(instead_of)

    def answering(self, services: Mapping[str, frozenset[Key]]) -> None:
        """For these addresses, which lead to these services: all that there are now."""
        now = frozenset((address, service) for address, found in services.items() for service in found)
        new, self._announced = now - self._announced, now
        for service in sorted({service for _, service in new}):
            self.tell(service, "nodeAssigned", f'announcing from node "{self._node}" with protocol "layer2"')

    def collect(self) -> Iterator[Metric]:
        announced = GaugeMetricFamily(
            "metallb_speaker_announced", _ANNOUNCED, labels=["service", "protocol", "node", "ip"]
        )
        for address, (namespace, name) in sorted(self._announced):
            announced.add_metric([f"{namespace}/{name}", "layer2", self._node, address], 1)
        yield announced
        addresses = len({address for address, _ in self._announced})
        yield GaugeMetricFamily("netproxy_load_balancer_addresses", "Addresses that this node answers for", addresses)
        yield CounterMetricFamily(
            "netproxy_load_balancer_claims", "Addresses that this node began to answer for", self._claimed
        )
        yield CounterMetricFamily(
            "netproxy_load_balancer_takeovers", "Those of them that were a silent node's", self._taken_over
        )
