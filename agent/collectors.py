"""What each path of metrics shows, put together from the parts of an agent."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from agent.cadvisor import CadvisorMetrics
from agent.metrics import AgentCollector, Certificate, CertificateCollector, VolumeCollector
from agent.pods.evictor import Evictor
from agent.pods.kept import Kept
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.pods.worker import Worker
from agent.probes.prober import Prober
from agent.runtime.cache import ContainerCache
from agent.server.server import AgentServer
from agent.server.stats import ProbeCollector, ResourceCollector
from agent.volumes.stats import VolumeStats
from client import WorkQueue


def own(
    around: Surroundings,
    store: PodStore,
    queue: WorkQueue[str],
    worker: Worker,
    evictor: Evictor,
    server: AgentServer,
    *,
    misconfigured: Callable[[], bool],
) -> list[Collector]:
    """Of /metrics, beside the instruments."""
    directory, transport = around.pod_directory, around.client.transport
    claims = Kept(directory).claims
    return [
        AgentCollector(store, around.cache, queue, around.config.node, worker, evictor, misconfigured),
        CertificateCollector(
            Certificate(pem=lambda: transport.certificate, failures=lambda: transport.failed_renewals),
            Certificate(pem=lambda: server.certificate, failures=lambda: server.failed_renewals),
        ),
        VolumeCollector(store, around.cache, claims, directory),
        VolumeStats(store.all, claims, directory),
    ]


def others(cache: ContainerCache, cadvisor: CadvisorMetrics, prober: Prober) -> dict[str, CollectorRegistry]:
    """Paths that show one collector each."""
    resource, probes = CollectorRegistry(), CollectorRegistry()
    resource.register(ResourceCollector(cache, cadvisor.samples))
    probes.register(ProbeCollector(prober))
    return {"/metrics/resource": resource, "/metrics/probes": probes}
