"""A cgroup for each pod: what is wanted, how it comes about on both drivers, and what is done where it cannot be."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cgroups.drivers import Cgroupfs, Systemd
from agent.cgroups.keeper import groups_there
from agent.cgroups.traces import cleanup, seen
from agent.cgroups.tree import Tree, weight_of
from agent.cgroups.wanted import Allowance, allowance_of, group_of, parents
from api.codec import convert
from api.core import Pod, ResourceRequirements
from api.defaulting import complete_for_pods
from tests.agent.bus import Bus, Service
from tests.agent.cluster import Cluster, ready
from tests.e2e.waiting import until

SYS = Path("/sys/fs/cgroup")


def _pod(
    *containers: dict[str, Any], inits: tuple[dict[str, Any], ...] = (), uid: str = "u-1", whole: Any = None
) -> Pod:
    def made(rows: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
        return [{"name": f"c{n}", "image": "img:1", **row} for n, row in enumerate(rows)]

    spec = {"containers": made(containers), "initContainers": made(inits)}
    made_pod = convert({"metadata": {"name": "p", "namespace": "ns", "uid": uid}, "spec": spec}, Pod)
    if whole is not None:
        made_pod.spec.resources = convert(whole, ResourceRequirements)
    # The API server fills in what is asked for where limits alone are said.
    complete_for_pods(made_pod.spec)
    return made_pod


def _asks(cpu: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}}


@pytest.mark.parametrize(
    ("pod", "group", "allowance"),
    [
        (_pod({}), "kubepods/besteffort/podu-1", Allowance(cpu_shares=2)),
        (_pod(_asks("500m"), {}), "kubepods/burstable/podu-1", Allowance(cpu_shares=512)),
        (
            _pod({"resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}),
            "kubepods/podu-1",
            Allowance(cpu_shares=1024, cpu_quota_us=100_000, memory_bytes=64 * 2**20),
        ),
        # A limit of the pod only when each container has one.
        (
            _pod({"resources": {"limits": {"cpu": "100m", "memory": "32Mi"}}}, _asks("100m")),
            "kubepods/burstable/podu-1",
            Allowance(cpu_shares=204),
        ),
        # What is said of the pod as a whole goes before.
        (
            _pod(_asks("100m"), {}, whole={"requests": {"cpu": "1", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}),
            "kubepods/burstable/podu-1",
            Allowance(cpu_shares=1024, memory_bytes=64 * 2**20),
        ),
        (
            _pod({}, {}, whole={"limits": {"cpu": "500m", "memory": "64Mi"}}),
            "kubepods/podu-1",
            Allowance(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=64 * 2**20),
        ),
        # Init containers one after the other, beside the sidecars that were started before them.
        (
            _pod(_asks("100m"), inits=(_asks("700m"), {**_asks("200m"), "restartPolicy": "Always"}, _asks("300m"))),
            "kubepods/burstable/podu-1",
            Allowance(cpu_shares=716),
        ),
        (
            _pod(_asks("600m"), inits=({**_asks("200m"), "restartPolicy": "Always"},)),
            "kubepods/burstable/podu-1",
            Allowance(cpu_shares=819),
        ),
    ],
)
def test_a_pods_group_and_limits_are_the_kubelets(pod: Pod, group: str, allowance: Allowance) -> None:
    assert "/".join(group_of(pod, "/")) == group
    assert allowance_of(pod) == allowance


def test_the_groups_above_share_by_what_their_pods_ask_for() -> None:
    pods = [_pod(_asks("500m")), _pod(_asks("1")), _pod({})]
    found = parents(pods, "/mine", cpu_millis=2000, memory_bytes=2**30)
    assert {"/".join(names): allowance for names, allowance in found.items()} == {
        "mine/kubepods": Allowance(cpu_shares=2048, memory_bytes=2**30),
        "mine/kubepods/burstable": Allowance(cpu_shares=1536),
        "mine/kubepods/besteffort": Allowance(cpu_shares=2),
    }


def test_systemd_knows_a_group_by_its_slice() -> None:
    driver = Systemd(Tree())
    group = group_of(_pod({}), "/")
    assert driver.parent(group) == "kubepods-besteffort-podu_1.slice"
    assert driver.path(group) == ("kubepods.slice", "kubepods-besteffort.slice", "kubepods-besteffort-podu_1.slice")
    assert driver.leaf("kubepods-besteffort-podu_1.slice") == "podu_1"


def _version2(root: Path, *groups: str) -> Tree:
    """Plain files where the kernel would make its own."""
    for group in ("", *groups):
        (root / group).mkdir(parents=True, exist_ok=True)
        (root / group / "cgroup.controllers").write_text("cpu memory pids\n")
        (root / group / "cgroup.subtree_control").write_text("pids\n")
    return Tree(root)


def test_version_two_has_a_weight_a_quota_and_a_maximum(tmp_path: Path) -> None:
    tree = _version2(tmp_path, "kubepods", "kubepods/podx")
    allowance = Allowance(cpu_shares=1024, cpu_quota_us=50_000, memory_bytes=64 * 2**20 + 1)
    assert not tree.holds(("kubepods", "podx"), allowance)
    tree.apply(("kubepods", "podx"), allowance)
    files = {name: (tmp_path / "kubepods/podx" / name).read_text() for name in ("cpu.weight", "cpu.max", "memory.max")}
    assert files == {"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": str(64 * 2**20)}
    assert tree.holds(("kubepods", "podx"), allowance)
    # Both controllers that were missing have been asked for, one after the other.
    assert (tmp_path / "kubepods/cgroup.subtree_control").read_text() == "+memory"
    tree.apply(("kubepods", "podx"), Allowance(cpu_shares=2))
    assert (tmp_path / "kubepods/podx/cpu.max").read_text() == "max 100000"
    assert (weight_of(2), weight_of(262_144)) == (1, 10_000)


@pytest.fixture
def systemd(bus: Bus) -> Iterator[Service]:
    service = Service(bus, "org.freedesktop.systemd1")
    yield service
    service.stop()


def test_systemd_is_asked_for_a_slice_and_changes_one_that_is_there(bus: Bus, systemd: Service, tmp_path: Path) -> None:
    driver = Systemd(_version2(tmp_path), bus.address)
    group = group_of(_pod(_asks("500m")), "/")
    allowance = Allowance(cpu_shares=512, cpu_quota_us=50_000)
    systemd.answers["StartTransientUnit"] = ("o", ("/job/1",))
    driver.apply(group, allowance)
    (call,) = systemd.calls
    name, mode, properties, others = call.body
    assert (call.member, name, mode, others) == ("StartTransientUnit", "kubepods-burstable-podu_1.slice", "replace", [])
    told = dict(properties)
    assert told["Wants"] == ("as", ["kubepods-burstable.slice"])
    assert told["CPUWeight"] == ("t", weight_of(512))
    assert told["CPUQuotaPerSecUSec"] == ("t", 500_000)
    assert told["MemoryMax"] == ("t", 2**64 - 1)
    systemd.refuses["StartTransientUnit"] = "org.freedesktop.systemd1.UnitExists"
    systemd.answers["SetUnitProperties"] = ("", ())
    driver.apply(group, allowance)
    assert [one.member for one in systemd.calls[1:]] == ["StartTransientUnit", "SetUnitProperties"]
    assert systemd.calls[-1].body[:2] == ("kubepods-burstable-podu_1.slice", True)
    systemd.refuses["StopUnit"] = "org.freedesktop.systemd1.NoSuchUnit"
    assert driver.remove(group)


def _cgroup_files(cluster: Cluster, group: str) -> dict[str, int]:
    """What the kernel says of a group of version 1."""
    names = {"cpu": ("cpu.shares", "cpu.cfs_quota_us"), "memory": ("memory.limit_in_bytes",)}
    root = cluster.name
    return {
        name: int((SYS / controller / root / "kubepods" / group / name).read_text())
        for controller, files in names.items()
        for name in files
    }


@pytest.mark.docker
@pytest.mark.skipif((SYS / "cgroup.controllers").exists(), reason="reads the files of cgroup v1")
def test_a_pods_containers_live_in_its_group_which_is_kept_and_goes_with_it(cluster: Cluster) -> None:
    cluster.start_agent(relist_s=0.5)
    resources = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    container = cluster.container("main", "exec sleep 1000", resources=resources)
    pod = cluster.create("web", containers=[container])
    pod = cluster.wait_pod("web", ready)
    group = f"burstable/pod{pod.metadata.uid}"
    wanted = {"cpu.shares": 102, "cpu.cfs_quota_us": 20_000, "memory.limit_in_bytes": 64 * 2**20}
    assert _cgroup_files(cluster, group) == wanted
    assert _cgroup_files(cluster, "burstable")["cpu.shares"] == 102
    for row in cluster.containers(all=False):
        pid = cluster.docker.inspect_container(row["Id"])["State"]["Pid"]
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        assert any(line.endswith(f"memory:/{cluster.name}/kubepods/{group}/{row['Id']}") for line in lines)
    # What somebody changes is put right, and what is nobody's goes.
    (SYS / "cpu" / cluster.name / "kubepods" / group / "cpu.shares").write_text("999")
    left = SYS / "memory" / cluster.name / "kubepods/besteffort/pod-long-gone"
    left.mkdir()
    until(lambda: _cgroup_files(cluster, group) == wanted)
    until(lambda: not left.exists())
    cluster.delete("web", grace_s=1)
    cluster.wait_gone("web")
    until(lambda: not list(SYS.glob(f"*/{cluster.name}/kubepods/{group}")))
    cluster.stop_agent(cluster.agents[0])
    root = f"/{cluster.name}"
    assert f"cgroup /{cluster.name}/kubepods/besteffort" in seen(root)
    assert f"cgroup /{cluster.name} removed" in cleanup(root)
    assert not list(SYS.glob(f"*/{cluster.name}"))
    assert seen(root) == []


@pytest.mark.docker
def test_pods_run_where_the_host_gives_no_groups_and_one_event_says_so(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for controller in ("cpu", "memory"):
        (tmp_path / "sys" / controller).mkdir(parents=True)
        (tmp_path / "sys" / controller / cluster.name).write_text("no folder can be made here")
    monkeypatch.setattr("agent.cgroups.tree.SYS", tmp_path / "sys")
    cluster.start_agent(relist_s=0.5)
    cluster.create("web", "exec sleep 1000")
    cluster.wait_pod("web", ready)
    until(lambda: bool(cluster.events("FailedToCreatePodCgroups")))
    cluster.create("another", "exec sleep 1000")
    cluster.wait_pod("another", ready)
    (told,) = cluster.events("FailedToCreatePodCgroups")
    assert "File exists" in told


def test_only_what_is_empty_is_taken_away() -> None:
    tree = Tree()
    if tree.version == 2:
        pytest.skip("makes a group of cgroup v1")
    driver = Cgroupfs(tree)
    names = ("test-only-empty", "kubepods", "podx")
    busy = SYS / "memory" / "/".join(names) / "container"
    busy.mkdir(parents=True)
    process = subprocess.Popen(["sleep", "100"])
    try:
        (busy / "cgroup.procs").write_text(str(process.pid))
        assert not driver.remove(names)
        assert busy.is_dir()
        assert names in groups_there(driver, tree, "/test-only-empty")
    finally:
        process.kill()
        process.wait(10)
    until(lambda: driver.remove(names))
    assert cleanup("/test-only-empty")
    assert not list(SYS.glob("*/test-only-empty"))


def test_a_group_that_is_held_a_moment_longer_is_taken_away_all_the_same() -> None:
    top = SYS / ("memory" if Tree().version == 1 else "") / "test-held-longer"
    group = top / "kubepods" / "besteffort" / "podx"
    group.mkdir(parents=True)
    process = subprocess.Popen(["sleep", "1"])
    try:
        (group / "cgroup.procs").write_text(str(process.pid))
        assert cleanup("/test-held-longer")
        assert not top.is_dir()
    finally:
        process.kill()
        process.wait(10)
