"""Puts together what is served on the agent's port."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from agent.cadvisor import CadvisorMetrics
from agent.pods.room import Room
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.pods.worker import Worker
from agent.runtime.daemon import Daemon
from agent.server.authorization import Authorizer
from agent.server.routes import Routes
from agent.server.server import AgentServer
from agent.server.stats import Summary
from agent.server.stats_of_disk import Disks
from agent.server.streaming.routes import StreamRoutes
from agent.volumes.usage import room_of


def make_server(
    around: Surroundings,
    store: PodStore,
    worker: Worker,
    *,
    registry: CollectorRegistry,
    others: Mapping[str, CollectorRegistry],
    room: Room,
    daemon: Daemon,
    cadvisor: CadvisorMetrics,
) -> AgentServer:
    """Not started yet. ``registry``: what /metrics shows; ``others``: what other paths of metrics show."""
    config, cache = around.config, around.cache
    disks = Disks(node=lambda: room_of(config.data_dir), images=daemon.image_disk, pods=room.disk.latest)
    routes = Routes(
        store,
        cache,
        worker,
        registry=registry,
        cadvisor=cadvisor.render,
        others=others,
        summary=Summary(config.node, cache, cadvisor.samples, disks).document,
    )
    streams = StreamRoutes(config, around.docker, store, cache)
    return AgentServer(
        config, exact=routes.exact(), prefixes=routes.prefixes(), streams=streams.prefixes(),
        authorizer=Authorizer(around.client, config.node, config.client_groups),
    )  # fmt: skip
