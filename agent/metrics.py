"""The agent's own metrics, read from what it knows at the moment of a scrape. Names are the kubelet's."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from agent.pods.claims import Claimed
from agent.pods.evictor import Evictor
from agent.pods.manifests import is_static
from agent.pods.store import PodStore
from agent.pods.worker import Worker
from agent.runtime.cache import ContainerCache
from agent.runtime.records import State
from agent.volumes.kinds import plugin_of
from api.core import Pod
from client import WorkQueue
from client.expiry import ttl_s

_TTL = (
    "The value is in seconds until certificate expiry (negative if already expired). "
    "If {} certificate is invalid or unused, the value will be +INF."
)
# Counters that Kubernetes named before names of counters had an ending, which the library insists on.
_WITHOUT_ENDING = (
    "kubelet_evictions",
    "kubelet_certificate_manager_client_expiration_renew_errors",
    "kubelet_server_expiration_renew_errors",
)
_UNTYPED = re.compile(rf"(?m)^# TYPE ({'|'.join(_WITHOUT_ENDING)}) untyped$".encode())
_STATES = {State.CREATED: "created", State.RUNNING: "running", State.EXITED: "exited", State.FAILED: "exited"}
_SIGNALS = {"memory": "memory.available", "ephemeral-storage": "nodefs.available", "pids": "pid.available"}


def exposition(registry: CollectorRegistry) -> bytes:
    """Prometheus' text."""
    return _UNTYPED.sub(rb"# TYPE \1 counter", generate_latest(registry))


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The one in use as PEM, and how often a new one could not be used."""

    pem: Callable[[], bytes]
    failures: Callable[[], int]


class AgentCollector(Collector):
    """Counts pods and containers when asked; keeps nothing. ``misconfigured``: whether a manifest is refused."""

    def __init__(
        self,
        store: PodStore,
        cache: ContainerCache,
        queue: WorkQueue[str],
        node: str,
        worker: Worker,
        evictor: Evictor,
        misconfigured: Callable[[], bool],
    ) -> None:
        self._store = store
        self._cache = cache
        self._queue = queue
        self._node = node
        self._worker = worker
        self._evictor = evictor
        self._misconfigured = misconfigured

    def collect(self) -> Iterator[Metric]:
        yield from self._pods()
        yield GaugeMetricFamily("steersman_agent_queue_length", "Pods that wait for a worker.", value=len(self._queue))
        hung = self._worker.hung
        yield GaugeMetricFamily("steersman_agent_hung_pods", "Pods whose work waits for something.", value=hung)
        text = "Cumulative number of pod evictions by eviction signal"
        evictions = UnknownMetricFamily("kubelet_evictions", text, labels=["eviction_signal"])
        for resource, signal in _SIGNALS.items():
            evictions.add_metric([signal], self._evictor.evictions.get(resource, 0))
        yield evictions
        name = GaugeMetricFamily("kubelet_node_name", "The node's name. The count is always 1.", labels=["node"])
        name.add_metric([self._node], 1)
        yield name
        yield GaugeMetricFamily(
            "kubelet_node_config_error",
            "This metric is true (1) if the node is experiencing a configuration-related error, false (0) otherwise.",
            value=self._misconfigured(),
        )

    def _pods(self) -> Iterator[Metric]:
        records = self._cache.all()
        static = sum(is_static(pod) for pod in self._store.all())
        desired = GaugeMetricFamily(
            "kubelet_desired_pods",
            "The number of pods the kubelet is being instructed to run. static is true if the pod is not from the "
            "apiserver.",
            labels=["static"],
        )
        desired.add_metric([""], len(self._store.all()) - static)
        desired.add_metric(["true"], static)
        yield desired
        running = sum(record.is_sandbox and record.running for record in records)
        yield GaugeMetricFamily("kubelet_running_pods", "Number of pods that have a running pod sandbox", value=running)
        states = Counter(_STATES[record.state] for record in records if not record.is_sandbox)
        family = GaugeMetricFamily(
            "kubelet_running_containers", "Number of containers currently running", labels=["container_state"]
        )
        for state, count in sorted(states.items()):
            family.add_metric([state], count)
        yield family


class CertificateCollector(Collector):
    """How long the certificates of client and server last."""

    def __init__(self, client: Certificate, server: Certificate) -> None:
        self._client = client
        self._server = server

    def collect(self) -> Iterator[Metric]:
        prefix, errors = "kubelet_certificate_manager", "Counter of certificate renewal errors."
        yield GaugeMetricFamily(
            f"{prefix}_client_ttl_seconds",
            f"Gauge of the TTL (time-to-live) of the Kubelet's client certificate. {_TTL.format('client')}",
            value=ttl_s(self._client.pem()),
        )
        yield GaugeMetricFamily(
            f"{prefix}_server_ttl_seconds",
            f"Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. {_TTL.format('serving')}",
            value=ttl_s(self._server.pem()),
        )
        for name, one in (
            (f"{prefix}_client_expiration_renew_errors", self._client),
            ("kubelet_server_expiration_renew_errors", self._server),
        ):
            yield UnknownMetricFamily(name, errors, value=one.failures())


class VolumeCollector(Collector):
    """Volumes that pods want, and those that are there: made for a pod that has a container."""

    def __init__(
        self,
        store: PodStore,
        cache: ContainerCache,
        claims: Callable[[Pod], Mapping[str, Claimed]],
        directory: Callable[[str], Path],
    ) -> None:
        self._store = store
        self._cache = cache
        self._claims = claims
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        counts: Counter[tuple[str, str]] = Counter()
        begun = {record.uid for record in self._cache.all() if not record.is_sandbox}
        for pod in self._store.all():
            claims = self._claims(pod)
            plugins = [plugin_of(volume, pod.metadata.name, claims) for volume in pod.spec.volumes]
            counts.update((plugin, "desired_state_of_world") for plugin in plugins)
            if pod.metadata.uid in begun and self._directory(pod.metadata.uid).is_dir():
                counts.update((plugin, "actual_state_of_world") for plugin in plugins)
        family = GaugeMetricFamily(
            "volume_manager_total_volumes", "Number of volumes in Volume Manager", labels=["plugin_name", "state"]
        )
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        yield family
