"""A cluster on a Docker daemon that is restarted, and its removal: nothing of it may be left on that host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import guestbook as book
from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Api, Kubectl
from tests.e2e.private_docker import ADDRESS, PrivateDocker
from tests.e2e.traces import Traces, files_of
from tests.e2e.waiting import seconds_until, until

pytestmark = pytest.mark.cluster


@dataclass(frozen=True, slots=True)
class Host:
    """A cluster with a daemon and a network of its own, and what there was before it."""

    docker: PrivateDocker
    cluster: Cluster
    before: Traces

    def __post_init__(self) -> None:
        assert self.cluster.prefix == self.docker.prefix

    def ask(self, path: str) -> str:
        """A page of the guestbook at its node port; empty when it is not served."""
        url = f"http://{ADDRESS}:{self.cluster.node_port}{path}"
        command = [*self.docker.prefix, "curl", "-sf", "--noproxy", "*", "--max-time", "2", url]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout

    def kubectl(self) -> Kubectl:
        return Kubectl(self.cluster, self.cluster.folder)

    def ready(self) -> int:
        """How many pods are ready, as kubectl tells it."""
        rows = self.kubectl().try_it("get", "pods", "--no-headers").stdout.splitlines()
        return sum(row.split()[1:3] == ["1/1", "Running"] for row in rows)

    def traces(self) -> Traces:
        return Traces.taken(self.docker.prefix, self.docker.host)

    def left(self) -> dict[str, set[str]]:
        """What is here and was not before; of mounts, processes and cgroups, which are the machine's, only our own."""
        more = self.traces().beyond(self.before)
        for kind in ("mounts", "processes"):
            more[kind] = {line for line in more.get(kind, ()) if str(self.cluster.folder) in line}
        more["cgroups"] = {line for line in more.get("cgroups", ()) if f"/{self.cluster.slot.name}/" in line}
        return {kind: lines for kind, lines in more.items() if lines}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, watched: list[Cluster]) -> Iterator[Host]:
    book.build_images()
    slot = free_slot(os.getpid() + 1)
    docker = PrivateDocker(f"e2e-{slot.number}", tmp_path_factory.mktemp("docker"))
    settings = {"prefix": docker.prefix, "docker_host": docker.host, "keep_images": False}
    cluster = Cluster(slot, tmp_path_factory.mktemp("host"), **settings)
    try:
        docker.make_network()
        docker.start()
        docker.load([*book.IMAGES, book.TEST_IMAGE])
        before = Traces.taken(docker.prefix, docker.host)
        watched.append(cluster)
        cluster.up()
        yield Host(docker, cluster, before)
    finally:
        try:
            cluster.remove()
        finally:
            docker.remove()
            watched[:] = [one for one in watched if one is not cluster]


@pytest.fixture(scope="module")
def served(host: Host) -> Host:
    """With the guestbook on it, and a message in it."""
    host.kubectl()("create", "-f", str(book.manifest_for(host.cluster)))
    until(lambda: host.ready() == book.PODS, limit_s=60, what="six ready pods")
    until(lambda: host.ask("/healthz") == "ok\n", limit_s=10, what="the guestbook")
    return host


def test_all_pods_come_back_after_a_restart_of_docker(served: Host, figures: dict[str, str]) -> None:
    pids = served.cluster.pids()
    served.docker.stop()
    assert served.ask("/healthz") == ""
    served.docker.start()

    def back() -> bool:
        return served.ready() == book.PODS and served.ask("/healthz") == "ok\n"

    took = seconds_until(back, limit_s=60, what="the guestbook, by itself")
    figures["docker restarted until the guestbook serves"] = f"{took:.1f} s"
    assert "Updated" in served.ask("/guestbook.php?cmd=set&key=after&value=restart")
    until(lambda: "restart" in served.ask("/guestbook.php?cmd=get&key=after"), limit_s=20, what="the message")
    assert served.cluster.pids() == pids, "no component may have died of it"
    # Docker may bring back what it had not yet removed when it went: the agent's next full list finds it.
    until(
        lambda: len(served.cluster.containers()) == 2 * book.PODS,
        limit_s=45,
        what=f"one sandbox and one container a pod: {sorted(served.cluster.containers())}",
    )


def test_uninstall_leaves_nothing_and_tells_what_it_took(served: Host) -> None:
    host = served
    rules = host.traces().rules - host.before.rules
    assert rules, "the cluster made rules"
    dry = host.cluster.steersman("uninstall", "--dry-run", "--root", str(host.cluster.root)).stdout
    containers = host.cluster.containers()
    said = host.cluster.uninstall()
    for name in containers:
        assert f"would remove: container {name}" in dry
        assert f"removed container {name}" in said
    for words in (
        "removed network ",
        "removed link ",
        "removed image ",
        "removed cgroup ",
        f"directory {host.cluster.root / 'etc'}",
    ):
        assert words in said
    assert host.cluster.dns_address in said or host.cluster.slot.dns_interface in said
    until(lambda: not host.left(), limit_s=5, what=f"nothing left: {host.left()}")
    assert files_of(host.cluster) == []
    images = host.cluster.docker("images", "--format", "{{.Repository}}").split()
    assert images == []
    assert "nothing of cluster" in host.cluster.uninstall()


def test_a_removed_cluster_can_be_made_again(host: Host, tmp_path_factory: pytest.TempPathFactory) -> None:
    host.cluster.uninstall()
    assert "is up" in host.cluster.up()
    api = Api(host.cluster, tmp_path_factory.mktemp("again"))
    api.close()
    assert host.ready() == 0
