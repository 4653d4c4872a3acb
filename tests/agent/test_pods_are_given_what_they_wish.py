"""Wishes of a pod's spec as a process in it sees them, and those that are refused by name."""

import json
from pathlib import Path

import pytest

from agent.pods.problems import ConfigError, CreateError
from agent.pods.seccomp import security_option
from agent.pods.sysctls import forbidden_sysctl
from api.core import ContainerStatus, Pod
from tests.agent.cluster import Cluster, phase, ready
from tests.agent.facts import pod
from tests.e2e.waiting import until


def _ask(cluster: Cluster, found: Pod, script: str) -> str:
    return _run(cluster, found.status.container_statuses[0].container_id.removeprefix("docker://"), script)


def _run(cluster: Cluster, identity: str, script: str) -> str:
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
    until(lambda: "sleep 0.1" not in _ask(shared, found, "ps"))
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
    states = [one.state for one in _by_name(told)]
    assert [state.running is not None for state in states if state is not None] == [False, True]
    assert told.status.phase == "Pending"
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
    # It was never taken: there is no more to tell, and nothing of it was disrupted.
    assert (told.conditions, told.container_statuses) == ([], [])
    assert shared.events("SysctlForbidden") == ['forbidden sysctl: "kernel.msgmax" not allowlisted']
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


def _localhost(profile: str) -> dict[str, object]:
    return {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": profile}}}


@pytest.mark.docker
def test_system_calls_are_filtered_by_a_profile_of_the_node(shared: Cluster) -> None:
    folder = shared.start_agent().config.data_dir / "seccomp" / shared.namespace
    folder.mkdir(parents=True)
    refusal = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]}, indent=2)
    (folder / "no-mkdir.json").write_text(profile)
    containers = [
        shared.container("held", "exec sleep 1000"),
        shared.container("free", "exec sleep 1000", securityContext={"seccompProfile": {"type": "Unconfined"}}),
        shared.container("waits", "exec sleep 1000", **_localhost(f"{shared.namespace}/later.json")),
    ]
    shared.create("filtered", containers=containers, **_localhost(f"{shared.namespace}/no-mkdir.json"))
    told = shared.wait_pod("filtered", lambda found: [one.ready for one in _by_name(found)] == [True, True, False])
    shared.wait_pod("filtered", lambda found: _why(found, "waits")[0] == "CreateContainerError")
    missing = folder / "later.json"
    assert _why(shared.get("filtered"), "waits")[1] == (
        "failed to generate seccomp security options for container: cannot load seccomp profile "
        f'"{missing}": open {missing}: no such file or directory'
    )
    free, held, _ = (one.container_id.removeprefix("docker://") for one in _by_name(told))
    assert _run(shared, held, "mkdir /x 2>&1 || grep Seccomp: /proc/self/status").split("\n")[-2:] == [
        "Seccomp:\t2",
        "",
    ]
    assert _run(shared, free, "mkdir /x && echo made") == "made\n"
    missing.write_text(profile)
    shared.wait_pod("filtered", ready)


@pytest.mark.parametrize("profile", ["../pods/x", "/etc/passwd", ""])
def test_a_profile_lies_within_the_folder(tmp_path: Path, profile: str) -> None:
    found = pod(**_localhost(profile))
    with pytest.raises(ConfigError, match="localhostProfile"):
        security_option(found, found.spec.containers[0], tmp_path)


def test_a_profile_that_is_no_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    found = pod(**_localhost("broken.json"))
    with pytest.raises(CreateError, match=r"cannot load seccomp profile .*broken.json.*: it is not JSON"):
        security_option(found, found.spec.containers[0], tmp_path)


@pytest.mark.docker
def test_a_volume_of_a_kind_that_is_not_known_stops_its_pod_alone(shared: Cluster) -> None:
    shared.start_agent()
    disk = {"name": "disk", "iscsi": {"targetPortal": "192.0.2.1:3260", "iqn": "iqn.2001-04.com.example:disk"}}
    work = {"name": "work", "emptyDir": {}}
    mounts = [{"name": "disk", "mountPath": "/disk"}]
    container = shared.container("main", "exec sleep 1000", volumeMounts=mounts)
    shared.create("wants", containers=[container], volumes=[work, disk])
    shared.create("other", "exec sleep 1000", volumes=[work])
    shared.wait_pod("other", ready)
    until(lambda: shared.events("FailedMount") != [])
    assert shared.events("FailedMount")[0] == (
        "Unable to attach or mount volumes: unmounted volumes=[disk], unattached volumes=[], failed to process "
        'volumes=[disk]: failed to get Plugin from volumeSpec for volume "disk" err=no volume plugin matched'
        ": iscsi is not supported by this agent"
    )
    assert _why(shared.wait_pod("wants", lambda found: bool(_by_name(found))), "main")[0] == "ContainerCreating"
    shared.delete("wants")
    shared.wait_gone("wants")


def _why(found: Pod | None, container: str) -> tuple[str, str]:
    """Reason and message of a container that waits."""
    assert found is not None
    state = next(one.state for one in found.status.container_statuses if one.name == container)
    return (
        (state.waiting.reason, state.waiting.message) if state is not None and state.waiting is not None else ("", "")
    )
