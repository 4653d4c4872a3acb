"""A private cluster on the shared Docker daemon: its agents, its pods, and the removal of all that it made."""

import random
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.api import APIClient
from docker.errors import APIError, NotFound

from agent.cgroups import traces as cgroup_traces
from agent.config import Config
from agent.main import Agent
from agent.volumes import remove_tree
from api.codec import convert
from api.core import Event, Pod
from tests.agent.certificates import Authority
from tests.agent.fake_api import FakeApi
from tests.e2e.waiting import until

NODE = "node-under-test"


@dataclass
class Cluster:
    """A private cluster on the shared Docker daemon."""

    name: str
    bridge: str
    cidr: str
    directory: Path
    docker: APIClient
    image: str
    authority: Authority
    api: FakeApi = field(default_factory=FakeApi)
    agents: list[Agent] = field(default_factory=list)
    namespace: str = "default"
    shared: bool = False

    def config(self, **overrides: Any) -> Config:
        certificate, key = self.authority.issue("agent-server", addresses=("127.0.0.1",), server=True)
        settings: dict[str, Any] = {
            "name": self.name,
            "node_name": NODE,
            "node_ip": "127.0.0.1",
            "data_dir": self.directory / "data",
            "bridge": self.bridge,
            "cgroup_root": f"/{self.name}",
            "pod_cidr": self.cidr,
            "address": "127.0.0.1",
            "port": 0,
            "tls_cert_file": certificate,
            "tls_private_key_file": key,
            "client_ca_file": self.authority.ca_file,
            "container_log_dir": self.directory / "log/containers",
            "pod_log_dir": self.directory / "log/pods",
            "restart_base_s": 0.2,
            "restart_cap_s": 1.0,
            "pull_base_s": 0.5,
            "pull_cap_s": 2.0,
            "lease_s": 4,
            "volume_refresh_s": 0.5,
            "image_gc_high_percent": 100.0,  # the images of this machine are everyone's
        }
        return Config(**{**settings, **overrides})

    def start_agent(self, **overrides: Any) -> Agent:
        """Of a shared cluster, whose agent runs already, that one."""
        if self.shared and self.agents:
            assert not overrides, "other settings want a cluster of one's own"
            return self.agents[0]
        agent = Agent(self.config(**overrides), self.api)  # type: ignore[arg-type]
        agent.start()
        self.agents.append(agent)
        return agent

    def stop_agent(self, agent: Agent) -> None:
        self.agents.remove(agent)
        agent.stop()

    # Pods.

    def pod(self, name: str, command: str = "", *, containers: Any = None, meta: Any = None, **spec: Any) -> Pod:
        """A pod of one container ``main`` that runs a shell command, or of the containers given."""
        if containers is None:
            containers = [self.container("main", command)]
        document = {
            "metadata": {"name": name, "namespace": self.namespace, **(meta or {})},
            "spec": {"nodeName": NODE, "containers": containers, "terminationGracePeriodSeconds": 5, **spec},
        }
        return convert(document, Pod)

    def container(self, name: str, command: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "image": self.image, "command": ["sh", "-c", command], **more}

    def create(self, *args: Any, **kwargs: Any) -> Pod:
        created: Pod = self.api.create(self.pod(*args, **kwargs))
        return created

    def add(self, kind: type, name: str, **document: Any) -> Any:
        """Another object of the namespace."""
        return self.api.create(convert({"metadata": {"name": name, "namespace": self.namespace}, **document}, kind))

    def get(self, name: str) -> Pod | None:
        identity = (self.namespace, name)
        return next((p for p in self.api.items(Pod) if (p.metadata.namespace, p.metadata.name) == identity), None)

    def delete(self, name: str, **options: Any) -> None:
        self.api.delete(Pod, name, self.namespace, **options)

    def wait_pod(self, name: str, holds: Callable[[Pod], bool], *, timeout_s: float = 60) -> Pod:
        found: list[Pod] = []

        def look() -> bool:
            pod = self.get(name)
            found[:] = [pod] if pod is not None else []
            return pod is not None and holds(pod)

        until(look, limit_s=timeout_s, what=lambda: str(found[0].status if found else None))
        return found[0]

    def wait_gone(self, name: str, *, timeout_s: float = 60) -> None:
        until(lambda: self.get(name) is None, limit_s=timeout_s)

    def events(self, reason: str) -> list[str]:
        """Messages of events of the namespace; a single cluster's are those of the node too."""
        everything = not self.shared
        return [
            event.message
            for event in self.api.items(Event)
            if event.reason == reason and (everything or event.metadata.namespace == self.namespace)
        ]

    # Docker.

    def containers(self, *, all: bool = True) -> list[dict[str, Any]]:
        labels = [f"io.steersman.cluster={self.name}"]
        if self.shared:
            labels.append(f"io.kubernetes.pod.namespace={self.namespace}")
        rows: list[dict[str, Any]] = self.docker.containers(all=all, filters={"label": labels})
        return rows

    def forget_pods(self) -> None:
        """Takes the namespace's pods out of the API; the agent removes them behind the next test's back."""
        for pod in self.api.items(Pod):
            if pod.metadata.namespace == self.namespace:
                self.api.delete(Pod, pod.metadata.name, self.namespace, grace_s=0, uid=pod.metadata.uid)

    def clean(self) -> None:
        for agent in list(self.agents):
            self.stop_agent(agent)
        rows = self.containers()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._remove_container, rows))
        self._remove_network()
        cgroup_traces.cleanup(f"/{self.name}")
        remove_tree(self.directory / "data")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _remove_network(self) -> None:
        """Docker 20.10 counts an endpoint too many once in some hundred starts, though its address is free, and keeps
        the network until it is started anew.
        """
        for network in self.docker.networks(names=[self.bridge]):
            try:
                self.docker.remove_network(network["Id"])
            except APIError as error:
                if "has active endpoints" not in str(error) or self.docker.inspect_network(network["Id"])["Containers"]:
                    raise

    def _remove_container(self, row: dict[str, Any]) -> None:
        try:
            self.docker.remove_container(row["Id"], force=True, v=True)
        except NotFound:
            return


_SUBNETS = iter(random.sample([f"10.{second}.{third}.0/24" for second in range(201, 250) for third in range(256)], 400))
_SUBNETS_LOCK = threading.Lock()


def free_cidr() -> str:
    """A subnet that no other test of this process has had."""
    with _SUBNETS_LOCK:
        return next(_SUBNETS)


def phase(wanted: str) -> Callable[[Pod], bool]:
    return lambda pod: pod.status.phase == wanted


def ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def restarts(pod: Pod) -> int:
    return sum(status.restart_count for status in pod.status.container_statuses)


def waiting_reason(pod: Pod) -> str:
    """Why the pod's first container waits; empty when it does not."""
    for status in [*pod.status.init_container_statuses, *pod.status.container_statuses]:
        if status.state.waiting is not None:
            return status.state.waiting.reason
    return ""
