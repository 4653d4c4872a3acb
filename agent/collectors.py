"""What each path of metrics shows, put together from the parts of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from agent.metrics import AgentCollector, Certificate, CertificateCollector, VolumeCollector
from agent.pods.kept import Kept
from agent.server.stats import ProbeCollector, ResourceCollector
from agent.volumes.stats import VolumeStats

if TYPE_CHECKING:
    from agent.main import Agent


def own(agent: Agent) -> list[Collector]:
    """Of /metrics, beside the instruments."""
    server, manifests = agent.server, agent.manifests
    directory = agent.around.pod_directory
    claims = Kept(directory).claims
    return [
        AgentCollector(
            agent.store, agent.cache, agent.queue, agent.config.node, agent.worker, agent.room.evictor,
            misconfigured=lambda: manifests is not None and manifests.refused,
        ),
        CertificateCollector(
            Certificate(
                pem=lambda: agent.client.transport.certificate, failures=lambda: agent.client.transport.failed_renewals
            ),
            Certificate(pem=lambda: server.certificate, failures=lambda: server.failed_renewals),
        ),
        VolumeCollector(agent.store, agent.cache, claims, directory),
        VolumeStats(agent.store.all, claims, directory),
    ]  # fmt: skip


def others(agent: Agent) -> dict[str, CollectorRegistry]:
    """Paths that show one collector each."""
    resource, probes = CollectorRegistry(), CollectorRegistry()
    resource.register(ResourceCollector(agent.cache, agent.cadvisor.samples))
    probes.register(ProbeCollector(agent.prober))
    return {"/metrics/resource": resource, "/metrics/probes": probes}
