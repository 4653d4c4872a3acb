"""A whole cluster for the bench of the agent, started by the real command, and one watch that sees all of its pods.

All that it takes on the host follows from one free slot, and is uninstalled at the end, whatever happens.
"""

import os
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from docker.api import APIClient
from prometheus_client.parser import text_string_to_metric_families

from api.codec import convert
from api.core import Pod, ReplicationController
from client import Client, Informer
from tests.agent.busybox import busybox_rootfs
from tests.e2e.clusters import Cluster, free_slot

NAMESPACE = "default"
_LIMIT_S = 300.0
# Ends on TERM, as a well-behaved process does.
COMMAND = ("sh", "-c", "trap 'exit 0' TERM; sleep 10000 & wait")


@dataclass(slots=True)
class Site:
    """The cluster, its image, and what the watch has told of its pods."""

    cluster: Cluster
    image: str
    client: Client
    pods: Informer[Pod]
    changed: threading.Condition

    # Pods.

    def template(self, **more: Any) -> dict[str, Any]:
        """The spec of a pod of one container."""
        container = {"name": "main", "image": self.image, "command": list(COMMAND), **more}
        return {"terminationGracePeriodSeconds": 5, "containers": [container]}

    def create(self, name: str) -> None:
        document = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": self.template()}
        self.client.create(convert(document, Pod))

    def delete(self, name: str) -> None:
        self.client.delete(Pod, name, NAMESPACE)

    def make_controller(self, name: str, **more: Any) -> None:
        """Of no pods yet."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": self.template(**more)}
        spec = {"replicas": 0, "selector": labels, "template": template}
        document = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
        self.client.create(convert(document, ReplicationController))

    def scale(self, name: str, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        self.client.patch(ReplicationController, name, NAMESPACE, patch, form="merge")

    def seen(self) -> Sequence[Pod]:
        """The pods of our namespace as the watch tells them."""
        return [pod for pod in self.pods.items() if pod.metadata.namespace == NAMESPACE]

    def ready(self) -> set[str]:
        return {pod.metadata.name for pod in self.seen() if is_ready(pod)}

    def is_up(self, name: str) -> bool:
        return name in self.ready()

    def wait(self, holds: Callable[[], bool]) -> None:
        """Returns as soon as the watch has told what makes it true."""
        deadline = time.monotonic() + _LIMIT_S
        with self.changed:
            while not holds():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not within {_LIMIT_S:g} s; ready: {sorted(self.ready())}")
                self.changed.wait(0.5)

    def probes_made(self) -> float:
        """Since the agent has started."""
        path = f"/api/v1/nodes/node-{self.cluster.slot.number}/proxy/metrics/probes"
        families = text_string_to_metric_families(self.client.transport.request("GET", path).decode())
        return sum(sample.value for family in families for sample in family.samples)

    # The agent.

    def agent(self) -> psutil.Process:
        return psutil.Process(self.cluster.pids()["agent"])

    def next_agent(self, old: int) -> psutil.Process:
        """The one that the supervisor starts after another."""
        deadline = time.monotonic() + _LIMIT_S
        while time.monotonic() < deadline:
            pid = self.cluster.pids().get("agent")  # that of a process that has just ended, until its end is noted
            if pid not in (None, old):
                return psutil.Process(pid)
            time.sleep(0.005)
        raise TimeoutError("the supervisor started no new agent")


def is_ready(pod: Pod) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)


def busy_s(process: psutil.Process) -> float:
    """Processor time of its own so far, without that of others that it caused."""
    times = process.cpu_times()
    return float(times.user + times.system)


def freeze_and_kill(process: psutil.Process, meanwhile: Callable[[], None]) -> None:
    """Does something that the process can see but not answer, and kills it."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        meanwhile()
    finally:
        os.kill(process.pid, signal.SIGKILL)


@contextmanager
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="steersman-bench-") as folder, _image() as image:
        cluster = Cluster(free_slot(os.getpid()), Path(folder))
        try:
            cluster.up()
            with _watching(cluster, image) as made:
                yield made
        finally:
            cluster.remove()


@contextmanager
def _watching(cluster: Cluster, image: str) -> Iterator[Site]:
    client, changed = Client.from_kubeconfig(cluster.kubeconfig), threading.Condition()

    def tell(*_: Pod | None) -> None:
        with changed:
            changed.notify_all()

    pods = Informer(client, Pod, on_change=tell)
    pods.start()
    try:
        pods.wait_synced(10)
        yield Site(cluster, image, client, pods, changed)
    finally:
        pods.stop()
        client.close()


@contextmanager
def _image() -> Iterator[str]:
    """A busybox of this run's own, so that no other's is removed with it."""
    tag = uuid.uuid4().hex[:8]
    docker = APIClient(version="auto", timeout=60)
    docker.import_image_from_data(busybox_rootfs(), repository="steersman-bench/busybox", tag=tag)
    try:
        yield f"steersman-bench/busybox:{tag}"
    finally:
        docker.remove_image(f"steersman-bench/busybox:{tag}", force=True)
        docker.close()
