"""Wishes of a pod's spec as a process in it sees them, and those that are refused by name."""

import pytest

from agent.pods.admission import forbidden_sysctl
from api.core import ContainerStatus, Pod
from tests.agent.cluster import Cluster, phase, ready, wait_until
from tests.agent.facts import pod


def _ask(cluster: Cluster, found: Pod, script: str) -> str:
    identity = found.status.container_statuses[0].container_id.removeprefix("docker://")
    made = cluster.docker.exec_create(identity, ["sh", "-c", script])["Id"]
    return bytes(cluster.docker.exec_start(made)).decode()


@pytest.mark.docker
def test_a_process_of_some_user_may_write_below_a_sub_path(shared: Cluster) -> None:
    shared.start_agent()
    mounts = [
        {"name": "work", "mountPath": "/one", "subPath": "deep/er"},
        {"name": "work", "mountPath": "/two", "subPathExpr": "$(POD)"},
    ]
    container = shared.container(
        "main", "exec sleep 1000", volumeMounts=mounts, workingDir="/one",
        env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    )  # fmt: skip
    security = {"runAsUser": 1000, "runAsGroup": 1001, "fsGroup": 2000, "supplementalGroups": [3000]}
    work = {"name": "work", "emptyDir": {}}
    shared.create("writer", containers=[container], volumes=[work], securityContext=security)
    found = shared.wait_pod("writer", ready)
    assert _ask(shared, found, "id -u; id -g; pwd; echo x > a; echo y > /two/b; cat a /two/b") == (
        "1000\n1001\n/one\nx\ny\n"
    )
    assert _ask(shared, found, "stat -c %g a /two/b").split() == ["2000", "2000"]


@pytest.mark.docker
def test_processes_of_a_pod_see_each_other_and_the_dead_are_buried(shared: Cluster) -> None:
    shared.start_agent()
    containers = [shared.container("main", "(sleep 0.1 &); exec sleep 1000"), shared.container("other", "sleep 1001")]
    security = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "20000 30000"}]}
    shared.create("open", containers=containers, shareProcessNamespace=True, securityContext=security, hostname="me")
    found = shared.wait_pod("open", ready)
    wait_until(lambda: "sleep 0.1" not in _ask(shared, found, "ps"))
    seen = _ask(shared, found, "ps; hostname; cat /proc/sys/net/ipv4/ip_local_port_range")
    assert "1 root     /pause" in seen
    assert "sleep 1001" in seen
    assert " Z " not in _ask(shared, found, "cat /proc/[0-9]*/stat")
    assert seen.splitlines()[-2:] == ["me", "20000\t30000"]


@pytest.mark.docker
def test_a_hook_that_never_ends_holds_up_only_its_container(shared: Cluster) -> None:
    shared.start_agent()
    forever = {"exec": {"command": ["sleep", "1000"]}}
    hooks = {"postStart": forever, "preStop": forever}
    containers = [shared.container("main", "sleep 1000", lifecycle=hooks), shared.container("other", "sleep 1000")]
    shared.create("hooked", containers=containers, terminationGracePeriodSeconds=1)
    told = shared.wait_pod("hooked", lambda found: [one.ready for one in _by_name(found)] == [False, True])
    assert [one.started for one in _by_name(told)] == [False, True]
    shared.delete("hooked")
    shared.wait_gone("hooked")


def _by_name(found: Pod) -> list[ContainerStatus]:
    return sorted(found.status.container_statuses, key=lambda one: one.name)


@pytest.mark.docker
def test_an_unsafe_sysctl_is_refused_by_name(shared: Cluster) -> None:
    shared.start_agent()
    security = {"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]}
    shared.create("unsafe", "sleep 1000", securityContext=security)
    told = shared.wait_pod("unsafe", phase("Failed")).status
    assert told.reason == "SysctlForbidden"
    assert told.message == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert shared.containers() == []


@pytest.mark.parametrize(
    ("name", "spec", "allowed", "told"),
    [
        ("net.ipv4.tcp_syncookies", {}, (), ""),
        ("net/ipv4/tcp_syncookies", {}, (), ""),
        ("net.core.somaxconn", {}, (), "not allowlisted"),
        ("net.core.somaxconn", {}, ("net.core.*",), ""),
        ("kernel.msgmax", {}, ("kernel.msgmax",), ""),
        ("net.ipv4.tcp_syncookies", {"hostNetwork": True}, (), "not allowed with host net enabled"),
        ("kernel.shm_rmid_forced", {"hostIPC": True}, (), "not allowed with host ipc enabled"),
    ],
)
def test_sysctls_are_let_in_when_they_are_safe_or_allowed(
    name: str, spec: dict[str, object], allowed: tuple[str, ...], told: str
) -> None:
    found = pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)
    assert forbidden_sysctl(found, allowed).partition('" ')[2] == told
