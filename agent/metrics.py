"""The agent's own metrics, read from what it knows at the moment of a scrape. Names are the kubelet's."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.pods.evictor import Evictor
from agent.pods.store import PodStore
from agent.pods.worker import Worker
from agent.runtime.cache import ContainerCache
from client import WorkQueue


class AgentCollector(Collector):
    """Counts pods and containers when asked; keeps nothing."""

    def __init__(
        self, store: PodStore, cache: ContainerCache, queue: WorkQueue[str], node: str, worker: Worker, evictor: Evictor
    ) -> None:
        self._store = store
        self._cache = cache
        self._queue = queue
        self._node = node
        self._worker = worker
        self._evictor = evictor

    def collect(self) -> Iterable[Metric]:
        records = self._cache.all()
        yield GaugeMetricFamily("kubelet_desired_pods", "Pods bound to this node.", value=len(self._store.all()))
        running = sum(record.is_sandbox and record.running for record in records)
        yield GaugeMetricFamily("kubelet_running_pods", "Pods that have a running sandbox.", value=running)
        states = Counter(record.state.value for record in records if not record.is_sandbox)
        family = GaugeMetricFamily("kubelet_running_containers", "Containers by state.", labels=["container_state"])
        for state, count in sorted(states.items()):
            family.add_metric([state], count)
        yield family
        yield GaugeMetricFamily("steersman_agent_queue_length", "Pods that wait for a worker.", value=len(self._queue))
        hung = self._worker.hung
        yield GaugeMetricFamily("steersman_agent_hung_pods", "Pods whose work waits for something.", value=hung)
        evictions = CounterMetricFamily("kubelet_evictions", "Pods evicted.", labels=["eviction_signal"])
        for resource, count in sorted(self._evictor.evictions.items()):
            evictions.add_metric(["memory.available" if resource == "memory" else "nodefs.available"], count)
        yield evictions
        volumes = sum(len(pod.spec.volumes) for pod in self._store.all())
        wanted = GaugeMetricFamily("volume_manager_total_volumes", "Volumes.", labels=["plugin_name", "state"])
        wanted.add_metric(["", "desired_state_of_world"], volumes)
        yield wanted
        name = GaugeMetricFamily("kubelet_node_name", "The node's name; the value is always 1.", labels=["node"])
        name.add_metric([self._node], 1)
        yield name
