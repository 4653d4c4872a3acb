"""Puts the agent together and runs it until it is told to stop. Containers stay when it stops."""

import dataclasses
import logging
import threading
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, ProcessCollector

from agent.cadvisor import CadvisorMetrics
from agent.cgroups import traces as cgroup_traces
from agent.cgroups.keeper import PodCgroups
from agent.collectors import others, own
from agent.config import Config
from agent.gate import Gate
from agent.instruments import Instruments
from agent.jobs import Jobs
from agent.network import traces
from agent.network.keeper import RouteKeeper
from agent.network.marks import tunnel_name
from agent.network.peers import Peer, same_way
from agent.network.wanted import Choice
from agent.node.facts import Pressure, node_address, read_machine, read_pressure
from agent.node.oom import OomWatch
from agent.node.registration import NodeKeeper
from agent.node.status import NodeObserved
from agent.pods.docker_config import Host
from agent.pods.known_services import KnownServices
from agent.pods.manifests import ManifestFolder
from agent.pods.mirrors import Mirrors
from agent.pods.reporter import Reporter
from agent.pods.room import Room
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.pods.worker import Worker
from agent.probes.prober import Prober
from agent.runtime.cache import ContainerCache, DockerWatch
from agent.runtime.daemon import Daemon
from agent.runtime.docker import Docker
from agent.runtime.images import Images
from agent.runtime.logs import LogLinks
from agent.runtime.network import NetworkKeeper
from agent.runtime.pause import PAUSE_IMAGE
from agent.server.assembly import make_server
from agent.telling import Teller
from api.core import Node, Pod, Service
from client import Client, EventRecorder, Informer, WorkQueue
from client.metrics import RequestMetrics
from client.showing import show

log = logging.getLogger(__name__)


class Agent:
    """All parts of one agent. ``start``, then ``stop``."""

    def __init__(self, config: Config, client: Client) -> None:
        self.config = config
        self.client = client
        registry = CollectorRegistry()
        show(registry)
        ProcessCollector(registry=registry)
        self.instruments = Instruments(registry)
        self.docker = Docker(
            config.docker_host, cluster=config.name, timeout_s=config.docker_timeout_s, instruments=self.instruments
        )
        self.daemon = Daemon(self.docker, data_dir=config.data_dir, makes_pause_image=not config.pause_image)
        self.network = NetworkKeeper(
            self.docker, config.bridge, config.pod_cidr, on_change=lambda: self._network_changed()
        )
        self.queue: WorkQueue[str] = WorkQueue(base_s=0.1, cap_s=30.0)
        self.recorder = EventRecorder(client, "kubelet", host=config.node)
        self.machine = read_machine(config.data_dir)
        self.address = config.node_ip or node_address()
        self.cache = ContainerCache(self.docker, self.queue.add)
        self.store = PodStore(config.data_dir / "pods", self.queue.add, lambda *name: self.mirrors.look(*name))
        self.mirrors = Mirrors(client, self.store)
        self.manifests = (
            ManifestFolder(
                config.manifest_dir, node=config.node, look_s=config.manifest_look_s, on_pods=self.store.set_static
            )
            if config.manifest_dir is not None
            else None
        )
        self._jobs = {
            "probe": Jobs("probe", threads=config.probe_workers, spares=True),
            "pull": Jobs("pull", threads=config.pull_workers),
            "hook": Jobs("hook", threads=config.hook_workers, spares=True),
        }
        self.images = Images(
            self.docker, self._jobs["pull"], base_s=config.pull_base_s, cap_s=config.pull_cap_s,
            on_done=lambda _: self.worker.images_changed(), on_progress=lambda *far: self.worker.tell_pulling(*far),
        )  # fmt: skip
        self.pods = Informer(client, Pod, fields=f"spec.nodeName={config.node}", on_change=self.store.take)
        self.services = Informer(client, Service)
        self.known_services = KnownServices(config.data_dir / "services.json", self.services)
        self.nodes = Informer(client, Node, on_change=self._node_changed)
        self.cgroups = PodCgroups(
            config, cpu_count=self.machine.cpu_count, memory_bytes=self.machine.memory_bytes, pods=self.store.all,
            running=lambda: {record.uid for record in self.cache.all()},
            tell=lambda *event: self.keeper.event(*event), kept=self.instruments.cgroup_kept,
        )  # fmt: skip
        self.around = self._surroundings()
        self.teller = Teller(self.around, self.store, lambda *event: self.keeper.event(*event))
        self.prober = Prober(self.docker, self._jobs["probe"], on_change=self.queue.add, tell=self.teller.probe)
        self.reporter = Reporter(client)
        self.worker = Worker(self.around, self.store, self.reporter, self.prober, self.queue)
        self.watch = DockerWatch(
            self.docker,
            self.cache,
            relist_s=config.relist_s,
            on_image=self.worker.images_changed,
            on_round=self._round,
            on_relist=self.instruments.relisted,
        )
        self.keeper = NodeKeeper(
            config, client, self.recorder, observe=self._observe_node, on_node=self._ensure_network
        )
        self.routes = RouteKeeper(
            cluster=config.name, bridge=config.bridge, nodes=self.nodes, own=self._own_way,
            choice=Choice(
                mode=config.pod_network_mode, device=tunnel_name(config.bridge), vni=config.vxlan_id,
                port=config.vxlan_port,
            ),
            tell=self.teller.no_way,
        )  # fmt: skip
        self.oom = OomWatch(self.teller.victim)
        self.gate = Gate(
            config, self.machine, self.around, self.store, self.worker,
            node=lambda: self.nodes.get("", config.node), look=self.keeper.look,
        )  # fmt: skip
        self.cadvisor = CadvisorMetrics(self.cache)
        self.pressure: Callable[[], Pressure] = partial(read_pressure, config.data_dir)
        self.room = Room(
            self.around, self.store, self.worker, daemon=self.daemon, cadvisor=self.cadvisor,
            pressure=lambda: self.pressure(), tell_node=self.keeper.event,
        )  # fmt: skip
        self.server = make_server(
            self.around, self.store, self.worker, registry=registry, room=self.room, daemon=self.daemon,
            cadvisor=self.cadvisor, others=others(self.cache, self.cadvisor, self.prober),
        )  # fmt: skip
        shown = own(
            self.around, self.store, self.queue, self.worker, self.room.evictor, self.server,
            misconfigured=lambda: self.manifests is not None and self.manifests.refused,
        )  # fmt: skip
        for collector in shown:
            registry.register(collector)
        self._settler = threading.Thread(target=self._settle, name="agent-settle", daemon=True)
        self._stopping = threading.Event()

    def _surroundings(self) -> Surroundings:
        config = self.config
        return Surroundings(
            config=config,
            docker=self.docker,
            client=self.client,
            cache=self.cache,
            images=self.images,
            cgroups=self.cgroups,
            hooks=self._jobs["hook"],
            recorder=self.recorder,
            links=LogLinks(config.container_log_dir, config.pod_log_dir),
            instruments=self.instruments,
            host=Host(
                cluster=config.name,
                network=config.bridge,
                pause_image=config.pause_image or PAUSE_IMAGE,
                log_max_size=config.log_max_size,
                log_max_files=config.log_max_files,
            ),
            host_ip=self.address,
            machine_cpu_millis=self.machine.cpu_count * 1000,
            machine_memory_bytes=self.machine.memory_bytes,
            services=self.known_services.items,
            network_problem=lambda: self.network.problem,
            wake=self.queue.add,
            tell_node=lambda *event: self.keeper.event(*event),
        )

    def start(self) -> None:
        """Docker is looked at before any pod is: a pod that runs already must not be started once more."""
        self.store.load()
        self.known_services.load()
        self.mirrors.start()
        if self.manifests is not None:
            self.manifests.start()
        self.prober.start()
        self.reporter.start()
        self.watch.start()
        self.server.start()
        self.keeper.start()
        for informer in (self.services, self.nodes, self.pods):
            informer.start()
        self.routes.start()
        self.oom.start()
        self.gate.shutdown.start()
        self._settler.start()
        self.keeper.event("Normal", "Starting", "Starting kubelet.")
        log.info("agent started node=%s address=%s port=%d", self.config.node, self.address, self.server.port)

    def stop(self) -> None:
        """Sources first, then the workers, then those who tell; containers stay."""
        self._stopping.set()
        if self.manifests is not None:
            self.manifests.stop()
        self.known_services.save()
        for informer in (self.pods, self.services, self.nodes):
            informer.stop()
        self.routes.stop()
        self.server.stop()
        self.prober.stop()
        self.watch.stop()
        self.worker.stop()
        self.mirrors.stop()
        self._settler.join(5.0)
        self.room.stop()
        self.gate.shutdown.stop()
        self.oom.stop()
        for jobs in self._jobs.values():
            jobs.close()
        self.keeper.stop()
        self.reporter.stop()
        self.recorder.close()
        self.docker.close()
        self.client.close()
        log.info("agent stopped node=%s", self.config.node)

    def _settle(self) -> None:
        """Workers begin when Docker is known; pods are missed when the API is known."""
        while not self.watch.listed.wait(0.2):
            if self._stopping.is_set():
                return
        self.worker.start()
        for pod in self.store.all():
            self.queue.add(pod.metadata.uid)
        while not self.pods.wait_synced(0.2):
            if self._stopping.is_set():
                return
        self.store.settle(self.pods.items())
        self.room.start()
        for record in self.cache.all():
            self.queue.add(record.uid)

    # The node.

    def _round(self) -> None:
        """After each full look at Docker: what the daemon is, and whether our own image is there."""
        first = self.daemon.facts is None
        facts = self.daemon.look()
        self.around.host = dataclasses.replace(self.around.host, api_version=facts.api_version)
        self.around.links.remove_stale({record.id for record in self.cache.all()})
        self.known_services.save()
        self.cgroups.look(facts)
        self.network.look()
        if first:
            self.keeper.look()

    def _ensure_network(self, node: Node) -> None:
        self.network.cidr = self.config.pod_cidr or node.spec.pod_cidr or self.network.cidr
        self.network.look()

    def _network_changed(self) -> None:
        self.keeper.look()
        self.routes.look()  # a tunnel's routes name the bridge's address
        self.worker.network_changed()

    def _own_way(self) -> Peer | None:
        return Peer(self.config.node, self.address, self.network.cidr) if self.network.cidr else None

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if not same_way(old, new):
            self.routes.look()
        known = new or old
        if known is None or known.metadata.name != self.config.node:
            return
        if new is None:
            self.keeper.forget()
            return
        self.keeper.seen(new)
        if old is None or old.spec.pod_cidr != new.spec.pod_cidr:
            self.keeper.look()
            self._ensure_network(new)

    def _observe_node(self) -> NodeObserved:
        facts = self.daemon.facts
        return NodeObserved(
            machine=self.machine,
            pressure=self.pressure(),
            address=self.address,
            port=self.server.port,
            docker_version=facts.version if facts else "",
            problems=self._problems(),
            images=self.daemon.images,
        )

    def _problems(self) -> tuple[str, ...]:
        runtime = f"container runtime is down: {self.watch.problem}" if self.watch.problem else ""
        return tuple(problem for problem in (self.gate.shutdown.problem, runtime, self.network.problem) if problem)


def cleanup(config: Config) -> list[str]:
    """Removes what the agent leaves on the host beside containers; says what was removed, a sentence each."""
    done = traces.cleanup(config.name, config.bridge)
    done += cgroup_traces.cleanup(config.cgroup_root)
    return done


def run(config: Config, stop: threading.Event) -> None:
    """Blocks until ``stop`` is set. Raises OSError for a port that is taken or a certificate that is missing, and
    KubeconfigError."""
    config.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    client = Client.from_kubeconfig(config.kubeconfig, user_agent="steersman-agent", observer=RequestMetrics())
    agent = Agent(config, client)
    agent.start()
    try:
        stop.wait()
    finally:
        agent.stop()
