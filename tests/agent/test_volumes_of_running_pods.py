"""Volumes while the pod runs: files that follow their source, tokens that rotate, claims; and ephemeral containers."""

import base64
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.main import Agent
from agent.pods.claims import bound_volume, claimed
from agent.pods.problems import ConfigError
from agent.volumes.files import File
from agent.volumes.mounting import nfs_command
from agent.volumes.payload import write_payload
from agent.volumes.removing import mount_points
from api.codec import convert
from api.core import ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, PodStatus, Secret
from api.core.volume import NFSVolumeSource
from tests.agent.cluster import Cluster, ready
from tests.e2e.waiting import until


def _files(text: str) -> dict[str, File]:
    return {"a": File(text.encode(), 0o644), "deep/b": File(text.encode(), 0o400)}


def test_a_reader_of_a_payload_sees_all_old_or_all_new(tmp_path: Path) -> None:
    write_payload(tmp_path, _files("0"), group=None)
    stop, mixtures = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                folder = os.open(tmp_path / "..data", os.O_RDONLY)
            except FileNotFoundError:
                continue  # the link was read, and then its folder was removed: a reader begins again
            try:
                pair = []
                for name in ("a", "deep/b"):
                    file = os.open(name, os.O_RDONLY, dir_fd=folder)
                    pair.append(os.read(file, 10))
                    os.close(file)
                mixtures.extend([pair] if pair[0] != pair[1] else [])
            except FileNotFoundError:
                continue  # the old folder was removed between: a reader begins again
            finally:
                os.close(folder)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        assert write_payload(tmp_path, _files(str(number + 1)), group=None)
    stop.set()
    reader.join(10)
    assert mixtures == []
    assert len(list(tmp_path.glob("..payload-*"))) == 1


def test_a_payload_is_written_only_when_it_differs(tmp_path: Path) -> None:
    assert write_payload(tmp_path, _files("x"), group=None)
    folder = (tmp_path / "..data").readlink()
    assert not write_payload(tmp_path, _files("x"), group=None)
    assert (tmp_path / "..data").readlink() == folder
    assert write_payload(tmp_path, {"c": File(b"x", 0o644)}, group=os.getgid())
    assert sorted(entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")) == ["c"]


def test_a_payload_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "..payload-half").mkdir()
    (tmp_path / "..data_tmp").symlink_to("..payload-half")
    assert write_payload(tmp_path, _files("x"), group=None)
    assert (tmp_path / "deep/b").read_text() == "x"
    assert len(list(tmp_path.glob("..payload-*"))) == 1


def _claim(volume: str = "pv", **more: Any) -> PersistentVolumeClaim:
    meta = {"name": "data", "namespace": "ns", "uid": "u1"}
    return convert({"metadata": meta, "spec": {"volumeName": volume}, **more}, PersistentVolumeClaim)


def _volume(claim: str = "data", uid: str = "u1", **spec: Any) -> PersistentVolume:
    reference = {"namespace": "ns", "name": claim, "uid": uid}
    return convert({"metadata": {"name": "pv"}, "spec": {"claimRef": reference, **spec}}, PersistentVolume)


@pytest.mark.parametrize(
    ("claim", "volume", "told"),
    [
        (_claim(), _volume(claim="other"), "not bound to claim ns/data"),
        (_claim(), _volume(uid="u0"), "bound to an earlier claim"),
        (_claim(), _volume(volumeMode="Block"), "volumeMode Block"),
        (_claim(), _volume(), "of a kind that is not supported by this agent$"),
        (
            _claim(),
            _volume(csi={"driver": "d.example", "volumeHandle": "h"}),
            "is not supported by this agent: csi$",
        ),
        (_claim(), _volume(gcePersistentDisk={"pdName": "d"}, mountOptions=["ro"]), ": gcePersistentDisk$"),
        (_claim(), _volume(hostPath={"path": "/x"}, mountOptions=["ro"]), "mountOptions"),
    ],
)
def test_a_claim_is_refused_with_the_reason(claim: PersistentVolumeClaim, volume: PersistentVolume, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        claimed(claim, volume)


def test_a_claim_without_a_volume_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not bound"):
        bound_volume(_claim(""))
    with pytest.raises(ConfigError, match="lost"):
        bound_volume(_claim(status={"phase": "Lost"}))


def test_nfs_is_mounted_as_the_kubelet_does_it() -> None:
    source = NFSVolumeSource(server="fd00::1", path="/export", read_only=True)
    command = nfs_command(Path("/x"), source, ["nolock"])
    assert command == ["mount", "-t", "nfs", "-o", "nolock,ro", "[fd00::1]:/export", "/x"]


def _host_file(cluster: Cluster, pod: Pod, kind: str, path: str) -> Path:
    return cluster.directory / f"data/pods/{pod.metadata.uid}/volumes/kubernetes.io~{kind}/{path}"


def _exec(cluster: Cluster, pod: Pod, *command: str) -> str:
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    output = cluster.docker.exec_start(cluster.docker.exec_create(identity, list(command))["Id"])
    return str(output.decode())


@pytest.mark.docker
def test_a_running_pod_sees_its_config_map_and_its_labels_change(shared: Cluster) -> None:
    shared.add(ConfigMap, "settings", data={"a": "old", "gone": "x"})
    shared.start_agent()
    item = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    volumes = [
        {"name": "config", "configMap": {"name": "settings"}},
        {"name": "me", "downwardAPI": {"items": [item]}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/mnt/{volume['name']}"} for volume in volumes]
    container = shared.container("main", "exec sleep 1000", volumeMounts=mounts)
    pod = shared.create("web", containers=[container], volumes=volumes, meta={"labels": {"tier": "one"}})
    pod = shared.wait_pod("web", ready)
    assert _exec(shared, pod, "cat", "/mnt/config/a", "/mnt/me/labels") == 'oldtier="one"'
    patch = {"data": {"a": "new", "gone": None, "more": "y"}}
    shared.api.patch(ConfigMap, "settings", shared.namespace, patch, form="merge")
    shared.api.patch(Pod, "web", shared.namespace, {"metadata": {"labels": {"tier": "two"}}}, form="merge")
    file = _host_file(shared, pod, "configmap", "config/a")
    until(lambda: file.read_text() == "new")
    until(lambda: _exec(shared, pod, "cat", "/mnt/me/labels") == 'tier="two"')
    assert _exec(shared, pod, "cat", "/mnt/config/a") == "new"
    assert _exec(shared, pod, "ls", "/mnt/config").split() == ["a", "more"]


@pytest.mark.docker
def test_a_projected_token_rotates_before_it_ends(cluster: Cluster) -> None:
    cluster.api.token_life_s = 12.0  # four fifths of it, less the jitter, are over at once or soon
    cluster.start_agent()
    sources = [{"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}]
    volume = {"name": "id", "projected": {"sources": sources}}
    mount = {"name": "id", "mountPath": "/mnt"}
    container = cluster.container("main", "exec sleep 1000", volumeMounts=[mount])
    cluster.create("web", containers=[container], volumes=[volume])
    pod = cluster.wait_pod("web", ready)
    first = _exec(cluster, pod, "cat", "/mnt/token")
    assert first.endswith("-for-vault")
    until(lambda: _exec(cluster, pod, "cat", "/mnt/token") != first)
    assert restarts_of(pod) == 0


def restarts_of(pod: Pod) -> int:
    return sum(status.restart_count for status in pod.status.container_statuses)


@pytest.mark.docker
def test_a_claim_waits_until_it_is_bound_and_keeps_its_data(shared: Cluster) -> None:
    folder = shared.directory / f"claimed-{shared.namespace}"
    folder.mkdir(parents=True)
    (folder / "kept").write_text("here\n")
    shared.start_agent()
    claim = shared.add(PersistentVolumeClaim, "data", spec={"accessModes": ["ReadWriteOnce"]})
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mount = {"name": "data", "mountPath": "/mnt"}
    container = shared.container("main", "cat /mnt/kept; exec sleep 1000", volumeMounts=[mount])
    shared.create("web", containers=[container], volumes=volumes)
    until(lambda: any("is not bound" in told for told in shared.events("Failed")))
    reference = {"namespace": shared.namespace, "name": "data", "uid": claim.metadata.uid}
    name = f"pv-{shared.namespace}"
    document = {"metadata": {"name": name}, "spec": {"local": {"path": str(folder)}, "claimRef": reference}}
    shared.api.create(convert(document, PersistentVolume))
    patch = {"spec": {"volumeName": name}}
    shared.api.patch(PersistentVolumeClaim, "data", shared.namespace, patch, form="merge")
    pod = shared.wait_pod("web", ready)
    assert _exec(shared, pod, "cat", "/mnt/kept") == "here\n"
    shared.delete("web", grace_s=1)
    shared.wait_gone("web")
    assert (folder / "kept").read_text() == "here\n"


@pytest.mark.docker
def test_a_claim_for_one_pod_alone_is_not_used_by_another(shared: Cluster) -> None:
    folder = shared.directory / f"own-{shared.namespace}"
    folder.mkdir(parents=True)
    (folder / "kept").write_text("here\n")
    shared.start_agent()
    name = f"own-{shared.namespace}"
    claim = shared.add(PersistentVolumeClaim, "web-data", spec={"volumeName": name})
    reference = {"namespace": shared.namespace, "name": "web-data", "uid": claim.metadata.uid}
    document = {"metadata": {"name": name}, "spec": {"local": {"path": str(folder)}, "claimRef": reference}}
    shared.api.create(convert(document, PersistentVolume))
    wish = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": wish}}}]
    mount = {"name": "data", "mountPath": "/mnt"}
    container = shared.container("main", "cat /mnt/kept; exec sleep 1000", volumeMounts=[mount])
    made = shared.create("web", containers=[container], volumes=volumes)
    until(lambda: any("(pod is not owner)" in told for told in shared.events("Failed")))
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": made.metadata.uid, "controller": True}
    patch = {"metadata": {"ownerReferences": [owner]}}
    shared.api.patch(PersistentVolumeClaim, "web-data", shared.namespace, patch, form="merge")
    assert _exec(shared, shared.wait_pod("web", ready), "cat", "/mnt/kept") == "here\n"


@pytest.mark.docker
def test_an_ephemeral_container_looks_into_a_running_pod(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("web", "exec sleep 987", restartPolicy="Always")
    shared.wait_pod("web", ready)
    debugger = shared.container("debug", "pidof sleep && grep -a 987 /proc/1/cmdline; exit 3")
    patch = {"spec": {"ephemeralContainers": [{**debugger, "targetContainerName": "main"}]}}
    shared.api.patch(Pod, "web", shared.namespace, patch, form="merge")

    def ended(pod: Pod) -> bool:
        return any(s.state.terminated for s in pod.status.ephemeral_container_statuses)

    pod = shared.wait_pod("web", ended)
    status = pod.status.ephemeral_container_statuses[0]
    assert status.state.terminated is not None
    assert (status.name, status.state.terminated.exit_code, status.restart_count) == ("debug", 3, 0)
    logs = shared.docker.logs(status.container_id.removeprefix("docker://")).decode()
    assert "sleep\x00987" in logs
    assert ready(pod)
    assert restarts_of(pod) == 0


API_ACCESS = {
    "name": "kube-api-access-abcde",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ]
    },
}


def _restart_without_master(cluster: Cluster, agent: Agent, pod: Pod, agent_restarts: bool, *, says: bytes) -> None:
    """The container is killed while the master is away: by an agent that knows the pod, or by one that reads of it."""
    first = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    if agent_restarts:
        cluster.stop_agent(agent)
    cluster.api.down = True
    if agent_restarts:
        agent = cluster.start_agent()
        until(lambda: agent.worker.status(pod.metadata.uid) is not None)
    cluster.docker.kill(first)
    until(lambda: bool(_main_after(cluster, first)))
    until(lambda: cluster.docker.logs(_main_after(cluster, first)) == says)


def _main_after(cluster: Cluster, first: str) -> str:
    """Id of the container that took the place of ``first``; empty until there is one."""
    running = {row["Id"]: row["Names"][0] for row in cluster.containers(all=False)}
    return next((one for one, name in running.items() if "_main_" in name and one != first), "")


@pytest.mark.docker
@pytest.mark.parametrize("agent_restarts", [False, True])
def test_a_container_restarts_with_its_variables_and_claim_while_the_master_is_away(
    cluster: Cluster, agent_restarts: bool
) -> None:
    folder = cluster.directory / "claimed"
    folder.mkdir(parents=True)
    (folder / "data").write_text("claimed\n")
    cluster.add(ConfigMap, "settings", data={"greeting": "hello"})
    cluster.add(Secret, "door", data={"password": base64.b64encode(b"sesame").decode()})
    claim = cluster.add(PersistentVolumeClaim, "data", spec={"volumeName": "pv"})
    reference = {"namespace": "default", "name": "data", "uid": claim.metadata.uid}
    document = {"metadata": {"name": "pv"}, "spec": {"local": {"path": str(folder)}, "claimRef": reference}}
    cluster.api.create(convert(document, PersistentVolume))
    agent = cluster.start_agent()
    container = cluster.container(
        "main", "echo $greeting $PASSWORD $NONE; cat /mnt/data; exec sleep 1000",
        envFrom=[{"configMapRef": {"name": "settings"}}],
        env=[
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "door", "key": "password"}}},
            {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x", "optional": True}}},
        ],
        volumeMounts=[{"name": "data", "mountPath": "/mnt"}],
    )  # fmt: skip
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    pod = cluster.create("web", containers=[container], volumes=volumes)
    pod = cluster.wait_pod("web", ready)
    first = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    until(lambda: cluster.docker.logs(first) == b"hello sesame\nclaimed\n")
    kept = cluster.directory / f"data/pods/{pod.metadata.uid}/kept"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in kept.iterdir()] == [0o600]
    assert mount_points()[str(kept)] == "tmpfs"
    _restart_without_master(cluster, agent, pod, agent_restarts, says=b"hello sesame\nclaimed\n")
    cluster.api.down = False
    cluster.wait_pod("web", lambda pod: ready(pod) and restarts_of(pod) == 1)
    cluster.delete("web", grace_s=1)
    cluster.wait_gone("web")
    assert not kept.exists()
    assert str(kept) not in mount_points()


@pytest.mark.docker
def test_a_pod_that_was_never_started_waits_for_the_master(cluster: Cluster) -> None:
    cluster.add(ConfigMap, "settings", data={"greeting": "hello"})
    agent = cluster.start_agent()
    gate = {"path": str(cluster.directory / "gate"), "type": "File"}
    container = cluster.container(
        "main", "echo $greeting; exec sleep 1000",
        envFrom=[{"configMapRef": {"name": "settings"}}],
        volumeMounts=[{"name": "gate", "mountPath": "/gate"}],
    )  # fmt: skip
    first = cluster.container("first", "until [ -e /gate/open ]; do sleep 0.1; done")
    folder = cluster.directory / "gate"
    folder.mkdir(parents=True)
    first["volumeMounts"] = [{"name": "gate", "mountPath": "/gate"}]
    gate["type"] = "Directory"
    volumes = [{"name": "gate", "hostPath": gate}]
    pod = cluster.create("web", containers=[container], initContainers=[first], volumes=volumes)
    until(lambda: any("_first_" in row["Names"][0] for row in cluster.containers(all=False)))
    kept = cluster.directory / f"data/pods/{pod.metadata.uid}/kept"
    # Without a secret it is a folder like any other, and outlives the host.
    assert str(kept) not in mount_points()
    (kept / "references.json").write_text("{ cut off")
    cluster.api.down = True
    (folder / "open").touch()
    until(lambda: "connection refused" in _waits(agent.worker.status(pod.metadata.uid)))
    cluster.api.down = False
    cluster.wait_pod("web", ready)


def _waits(status: PodStatus | None) -> str:
    """Why the first container waits."""
    state = status.container_statuses[0].state if status is not None and status.container_statuses else None
    return state.waiting.message if state is not None and state.waiting is not None else ""


@pytest.mark.docker
@pytest.mark.parametrize("agent_restarts", [False, True])
def test_a_container_restarts_with_its_last_token_while_the_master_is_away(
    cluster: Cluster, agent_restarts: bool
) -> None:
    cluster.add(ConfigMap, "kube-root-ca.crt", data={"ca.crt": "CA"})
    agent = cluster.start_agent()
    mount = {"name": "kube-api-access-abcde", "mountPath": "/mnt", "readOnly": True}
    container = cluster.container("main", "cat /mnt/token /mnt/ca.crt; echo; exec sleep 1000", volumeMounts=[mount])
    cluster.create("web", containers=[container], volumes=[API_ACCESS])
    pod = cluster.wait_pod("web", ready)
    first = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    until(lambda: cluster.docker.logs(first).endswith(b"CA\n"))
    before = cluster.docker.logs(first)
    assert before.startswith(b"token-")
    _restart_without_master(cluster, agent, pod, agent_restarts, says=before)


@pytest.mark.docker
def test_a_pod_waits_for_the_clusters_ca_to_be_published(shared: Cluster) -> None:
    shared.start_agent()
    mount = {"name": "kube-api-access-abcde", "mountPath": "/mnt", "readOnly": True}
    container = shared.container("main", "exec sleep 1000", volumeMounts=[mount])
    shared.create("web", containers=[container], volumes=[API_ACCESS])
    until(lambda: any('"kube-root-ca.crt" not found' in told for told in shared.events("FailedMount")))
    shared.add(ConfigMap, "kube-root-ca.crt", data={"ca.crt": "CA"})
    pod = shared.wait_pod("web", ready)
    assert _exec(shared, pod, "cat", "/mnt/ca.crt") == "CA"
