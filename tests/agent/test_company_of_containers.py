"""What containers of a pod, and the host, share; and containers that stay beside the others."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from api.core import Pod
from tests.agent.cluster import Cluster, phase, ready
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker

_SHOW = "for kind in net ipc pid uts; do readlink /proc/self/ns/$kind; done; hostname; exec sleep 1000"


def _identity(pod: Pod, name: str) -> str:
    statuses = [*pod.status.init_container_statuses, *pod.status.container_statuses]
    return next(one.container_id for one in statuses if one.name == name).removeprefix("docker://")


def _said(cluster: Cluster, pod: Pod, name: str) -> list[str]:
    """Its namespaces (network, IPC, processes, names) and its host name."""
    until(lambda: cluster.docker.logs(_identity(pod, name)).count(b"\n") == 5)
    return bytes(cluster.docker.logs(_identity(pod, name))).decode().split()


def test_containers_of_a_pod_share_what_is_the_pods(shared: Cluster) -> None:
    shared.start_agent()
    containers = [shared.container(name, _SHOW) for name in ("one", "two")]
    shared.create("pair", containers=containers, terminationGracePeriodSeconds=1)
    shared.create("other", containers=containers[:1], terminationGracePeriodSeconds=1)
    pair, other = shared.wait_pod("pair", ready), shared.wait_pod("other", ready)
    one, two, stranger = _said(shared, pair, "one"), _said(shared, pair, "two"), _said(shared, other, "one")
    host = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "ipc", "pid", "uts")]
    assert one[:2] == two[:2]  # network and IPC
    assert one[2] != two[2]  # each sees its own processes
    assert one[4] == two[4] == "pair"
    for seen in (one, two):
        assert not set(seen) & {*host, *stranger}


def test_a_pod_may_have_the_hosts_namespaces(shared: Cluster) -> None:
    shared.start_agent()
    host = {"hostNetwork": True, "hostPID": True, "hostIPC": True, "terminationGracePeriodSeconds": 1}
    shared.create("host", containers=[shared.container("one", _SHOW)], **host)
    pod = shared.wait_pod("host", ready)
    wanted = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "ipc", "pid", "uts")]
    assert _said(shared, pod, "one") == [*wanted, os.uname().nodename]
    assert pod.status.pod_ip == pod.status.host_ip == "127.0.0.1"


def test_a_sidecar_comes_first_comes_back_and_ends_last(shared: Cluster) -> None:
    shared.start_agent()
    folder = shared.directory / f"order-{shared.namespace}"

    def container(name: str, script: str, **more: Any) -> dict[str, Any]:
        mounts = [{"name": "order", "mountPath": "/order"}]
        return shared.container(name, f"echo {name} >> /order/list; {script}", volumeMounts=mounts, **more)

    stays = "trap 'echo side ends >> /order/list; exit 0' TERM; sleep 1000 & touch /started; wait"
    probe = {"exec": {"command": ["test", "-e", "/started"]}, "periodSeconds": 1}
    until_told = "while [ ! -e /order/go ]; do sleep 0.1; done; echo main ends >> /order/list"
    inits = [container("side", stays, restartPolicy="Always", startupProbe=probe), container("first", "true")]
    shared.create(
        "job", containers=[container("main", until_told)], initContainers=inits, restartPolicy="Never",
        volumes=[{"name": "order", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}],
    )  # fmt: skip
    pod = shared.wait_pod("job", ready, timeout_s=60)
    for count in (1, 2):  # though nothing else of the pod is started twice
        shared.docker.kill(_identity(pod, "side"))
        pod = shared.wait_pod(
            "job", lambda found, count=count: _restarts(found) == count and ready(found), timeout_s=60
        )
    until(lambda: max(_dead(shared).values()) == 1)
    (folder / "go").touch()
    pod = shared.wait_pod("job", phase("Succeeded"), timeout_s=60)
    order = ["side", "first", "main", "side", "side", "main ends", "side ends"]
    assert (folder / "list").read_text().splitlines() == order
    assert [one.state.terminated is not None for one in pod.status.init_container_statuses if one.state] == [True] * 2


def _restarts(pod: Pod) -> int:
    return sum(one.restart_count for one in pod.status.init_container_statuses)


def _dead(cluster: Cluster) -> Counter[str]:
    """How many dead containers are kept of each name."""
    names = [row["Names"][0] for row in cluster.containers() if row["State"] == "exited"]
    return Counter(name.split("_")[1] for name in names)
