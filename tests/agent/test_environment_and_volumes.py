"""What a real container sees: variables, files, names, limits."""

import contextlib
import json
from typing import Any

import docker.errors
import pytest

from agent.runtime.records import record_from_inspect
from api.core import ConfigMap, Secret, Service
from tests.agent.cluster import Cluster, phase, ready, waiting_reason
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker


def _output(cluster: Cluster, name: str) -> str:
    """What the pod's container wrote, after it has ended."""
    pod = cluster.wait_pod(name, phase("Succeeded"))
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    return str(cluster.docker.logs(identity).decode())


def test_the_environment_comes_from_all_its_sources(shared: Cluster) -> None:
    ports = [{"name": "http", "port": 6379}]
    shared.add(Service, "redis-master", spec={"clusterIP": "10.96.0.7", "ports": ports})
    shared.add(ConfigMap, "settings", data={"a": "1"})
    shared.add(Secret, "keys", data={"word": "aHVudGVyMg=="})
    agent = shared.start_agent()
    until(lambda: "redis-master" in {service.metadata.name for service in agent.services.items()})
    env: list[dict[str, Any]] = [
        {"name": "GREETING", "value": "hello $(SETTING_a) $$(SETTING_a)"},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    container = shared.container(
        "main", "env", env=env, envFrom=[{"prefix": "SETTING_", "configMapRef": {"name": "settings"}}],
        resources={"limits": {"memory": "64Mi"}},
    )  # fmt: skip
    shared.create("env", containers=[container], restartPolicy="Never")
    lines = _output(shared, "env").splitlines()
    pod = shared.get("env")
    assert pod is not None
    for wanted in (
        "GREETING=hello 1 $(SETTING_a)", "WORD=hunter2", f"IP={pod.status.pod_ip}", "LIMIT=64", "SETTING_a=1",
        "REDIS_MASTER_SERVICE_HOST=10.96.0.7", "REDIS_MASTER_SERVICE_PORT=6379", "REDIS_MASTER_SERVICE_PORT_HTTP=6379",
        "REDIS_MASTER_PORT=tcp://10.96.0.7:6379", "REDIS_MASTER_PORT_6379_TCP_ADDR=10.96.0.7", "HOSTNAME=env",
    ):  # fmt: skip
        assert wanted in lines


def test_a_missing_config_map_shows_and_the_pod_recovers(shared: Cluster) -> None:
    shared.start_agent()
    container = shared.container("main", "exec sleep 1000", envFrom=[{"configMapRef": {"name": "later"}}])
    shared.create("waits", containers=[container])
    shared.wait_pod("waits", lambda pod: waiting_reason(pod) == "CreateContainerConfigError")
    until(lambda: 'Error: configmap "later" not found' in shared.events("Failed"))
    shared.add(ConfigMap, "later")
    shared.wait_pod("waits", ready)


def test_names_are_resolved_by_the_clusters_servers(cluster: Cluster) -> None:
    cluster.start_agent(cluster_dns=("169.254.77.10",))
    command = "cat /etc/resolv.conf /etc/hosts; hostname"
    cluster.create("names", command, restartPolicy="Never", hostAliases=[{"ip": "10.1.2.3", "hostnames": ["db"]}])
    output = _output(cluster, "names")
    pod = cluster.get("names")
    assert pod is not None
    assert "nameserver 169.254.77.10\n" in output
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in output
    assert "options ndots:5" in output
    assert f"{pod.status.pod_ip}\tnames\n" in output
    assert "10.1.2.3\tdb\n" in output
    assert output.endswith("names\n")


def test_volumes_are_seen_shared_and_removed(shared: Cluster) -> None:
    shared.add(ConfigMap, "files", data={"a": "A"})
    shared.add(Secret, "keys", data={"k": "Sw=="})
    shared.start_agent()
    volumes = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "ram", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "config", "configMap": {"name": "files", "items": [{"key": "a", "path": "deep/a.txt"}]}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "me", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/mnt/{volume['name']}"} for volume in volumes]
    writer = shared.container("writer", "echo W > /mnt/scratch/w; echo R > /mnt/ram/r", volumeMounts=mounts)
    command = "cat /mnt/scratch/w /mnt/ram/r /mnt/config/deep/a.txt /mnt/keys/k /mnt/me/name; stat -Lc %a /mnt/keys/k"
    reader = shared.container("main", command, volumeMounts=mounts)
    shared.create("vols", containers=[reader], initContainers=[writer], volumes=volumes, restartPolicy="Never")
    assert _output(shared, "vols") == "W\nR\nAKvols400\n"
    pod = shared.wait_pod("vols", phase("Succeeded"))
    shared.delete("vols")
    shared.wait_gone("vols")
    assert not (shared.directory / "data/pods" / pod.metadata.uid).exists()


def test_files_of_the_api_can_only_be_read_and_other_volumes_may_lie_within(shared: Cluster) -> None:
    """As the kubelet mounts them, whatever the pod says; it makes the places of what is mounted inside of them."""
    shared.add(ConfigMap, "outer", data={"a": "A"})
    shared.add(ConfigMap, "inner", data={"b": "B"})
    shared.start_agent()
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    volumes = [
        {"name": "outer", "configMap": {"name": "outer"}},
        {"name": "inner", "configMap": {"name": "inner"}},
        {"name": "all", "projected": {"sources": [token, {"configMap": {"name": "inner"}}]}},
        {"name": "me", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [
        {"name": "scratch", "mountPath": "/outer/deep/scratch"},
        {"name": "inner", "mountPath": "/outer/only", "subPath": "b"},
        {"name": "outer", "mountPath": "/outer"},
        *({"name": name, "mountPath": f"/{name}"} for name in ("inner", "all", "me")),
    ]
    tries = "for at in outer inner all me; do touch /$at/x 2>/dev/null && echo wrote $at; done"
    command = f"{tries}; touch /outer/deep/scratch/x && cat /outer/a /outer/only /inner/b /me/name"
    main = shared.container("main", command, volumeMounts=mounts)
    shared.create("reads", containers=[main], volumes=volumes, restartPolicy="Never")
    assert _output(shared, "reads") == "ABBreads"


def test_paths_of_the_host_are_what_they_are_said_to_be(shared: Cluster) -> None:
    shared.start_agent()
    folder = shared.directory / f"host-{shared.namespace}"
    folder.mkdir()
    (folder / "file").write_text("kept")
    right = {
        "Directory": folder, "DirectoryOrCreate": folder / "new", "File": folder / "file",
        "FileOrCreate": folder / "made", "CharDevice": "/dev/null", "Socket": "/var/run/docker.sock",
    }  # fmt: skip
    volumes = [{"name": kind.lower(), "hostPath": {"path": str(path), "type": kind}} for kind, path in right.items()]
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    script = "echo x > /directoryorcreate/x; echo y > /fileorcreate; cat /file; test -S /socket; test -c /chardevice"
    main = shared.container("main", f"set -e; {script}", volumeMounts=mounts)
    shared.create("right", containers=[main], volumes=volumes, restartPolicy="Never")
    assert _output(shared, "right") == "kept"
    assert ((folder / "new/x").read_text(), (folder / "made").read_text()) == ("x\n", "y\n")
    for kind, what in (("Socket", "a socket"), ("File", "a file"), ("BlockDevice", "a block device")):
        volume = {"name": "v", "hostPath": {"path": str(folder), "type": kind}}
        shared.create(f"not-{kind.lower()}", containers=[shared.container("main", "true")], volumes=[volume])
        told = f'MountVolume.SetUp failed for volume "v" : hostPath type check failed: {folder} is not {what}'
        until(lambda told=told: told in shared.events("FailedMount"))  # type: ignore[misc]


def test_what_is_optional_is_not_waited_for(shared: Cluster) -> None:
    shared.start_agent()
    volumes = [
        {"name": "map", "configMap": {"name": "absent", "optional": True}},
        {"name": "keys", "secret": {"secretName": "absent", "optional": True}},
        {"name": "all", "projected": {"sources": [{"secret": {"name": "absent", "optional": True}}]}},
    ]
    mounts = [{"name": one["name"], "mountPath": f"/v/{one['name']}"} for one in volumes]
    env = [{"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k", "optional": True}}}]
    main = shared.container(
        "main", "ls /v/*; echo ${NONE-unset} $0", args=["$(HOME_OF)-$$(HOME_OF)"], volumeMounts=mounts,
        env=[*env, {"name": "HOME_OF", "value": "me"}], envFrom=[{"secretRef": {"name": "absent", "optional": True}}],
    )  # fmt: skip
    shared.create("content", containers=[main], volumes=volumes, restartPolicy="Never")
    assert _output(shared, "content").split() == ["/v/all:", "/v/keys:", "/v/map:", "unset", "me-$(HOME_OF)"]


def test_a_path_of_an_unknown_variable_is_refused(shared: Cluster) -> None:
    shared.start_agent()
    mount = {"name": "scratch", "mountPath": "/x", "subPathExpr": "a/$(WHO)"}
    main = shared.container("main", "exec sleep 1000", volumeMounts=[mount])
    shared.create("lost", containers=[main], volumes=[{"name": "scratch", "emptyDir": {}}])
    found = shared.wait_pod("lost", lambda pod: waiting_reason(pod) == "CreateContainerConfigError")
    state = found.status.container_statuses[0].state
    assert state is not None
    assert state.waiting is not None
    assert state.waiting.message == "missing value for WHO"


def test_an_image_is_not_told_again_and_again_while_a_volume_is_awaited(shared: Cluster) -> None:
    shared.start_agent()
    volumes = [{"name": "v", "hostPath": {"path": "/nonexistent", "type": "Directory"}}]
    main = shared.container("main", "exec sleep 1000", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    shared.create("waits", containers=[main], volumes=volumes)
    until(lambda: bool(shared.events("FailedMount")))
    assert shared.events("Pulled") == []


def test_a_share_that_cannot_be_mounted_fails_with_its_name(shared: Cluster) -> None:
    shared.start_agent()
    volume = {"name": "share", "nfs": {"server": "127.0.0.1", "path": "/"}}
    container = shared.container("main", "true", volumeMounts=[{"name": "share", "mountPath": "/mnt"}])
    shared.create("nfs", containers=[container], volumes=[volume])
    told = 'MountVolume.SetUp failed for volume "share" : mount: '
    until(lambda: any(message.startswith(told) for message in shared.events("FailedMount")))
    pod = shared.get("nfs")
    assert pod is not None
    assert pod.status.phase == "Pending"


def test_resources_and_rights_reach_docker(shared: Cluster) -> None:
    shared.start_agent()
    container = shared.container(
        "main",
        "exec sleep 1000",
        resources={"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
        securityContext={
            "runAsUser": 1000,
            "runAsGroup": 2000,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        },
    )
    shared.create("limited", containers=[container])
    pod = shared.wait_pod("limited", ready)
    assert pod.status.qos_class == "Burstable"
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    document = shared.docker.inspect_container(identity)
    host = document["HostConfig"]
    assert (host["CpuShares"], host["CpuQuota"], host["Memory"]) == (102, 50_000, 64 * 2**20)
    assert 3 <= host["OomScoreAdj"] <= 999
    assert document["Config"]["User"] == "1000:2000"
    assert host["ReadonlyRootfs"] is True
    assert "no-new-privileges" in host["SecurityOpt"]
    assert (host["CapAdd"], host["CapDrop"]) == (["NET_ADMIN"], ["ALL"])
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}
    record = record_from_inspect(document)
    assert record is not None
    assert record.sandbox_id
    assert json.dumps(document["HostConfig"]["NetworkMode"]) == f'"container:{record.sandbox_id}"'


def test_a_privileged_container_is_asked_for_and_its_refusal_told(shared: Cluster) -> None:
    """Where Docker may not give all capabilities away the container stays created, and the event has runc's words."""
    shared.start_agent()
    container = shared.container("main", "exec sleep 1000", securityContext={"privileged": True})
    shared.create("mighty", containers=[container])

    def made() -> list[dict[str, Any]]:
        own = {"pod.namespace": shared.namespace, "pod.name": "mighty", "container.name": "main"}
        labels = [f"io.kubernetes.{name}={value}" for name, value in own.items()]
        every = []
        for one in shared.docker.containers(all=True, filters={"label": labels}):
            # The agent removes the one that was refused and makes another.
            with contextlib.suppress(docker.errors.NotFound):
                every.append(shared.docker.inspect_container(one["Id"]))
        return every

    until(lambda: bool(made()))
    assert all(one["HostConfig"]["Privileged"] for one in made())

    def settled() -> bool:
        pod = shared.get("mighty")
        refused = any("operation not permitted" in message for message in shared.events("Failed"))
        return refused or (pod is not None and ready(pod))

    until(settled)


def test_a_container_that_takes_too_much_memory_is_told_as_oom_killed(shared: Cluster) -> None:
    shared.start_agent()
    command = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"
    container = shared.container("main", command, resources={"limits": {"memory": "16Mi"}})
    shared.create("greedy", containers=[container], restartPolicy="Never")
    pod = shared.wait_pod("greedy", phase("Failed"))
    state = pod.status.container_statuses[0].state
    assert state is not None
    assert state.terminated is not None
    assert (state.terminated.reason, state.terminated.exit_code) == ("OOMKilled", 137)


def test_last_words_and_init_containers_are_told(shared: Cluster) -> None:
    shared.start_agent()
    first = shared.container("first", "exit 0")
    second = shared.container("second", "echo gave up > /dev/termination-log; exit 7")
    main = shared.container("main", "true")
    shared.create("init", containers=[main], initContainers=[first, second], restartPolicy="Never")
    pod = shared.wait_pod("init", phase("Failed"))
    states = [status.state for status in pod.status.init_container_statuses]
    assert states[0] is not None
    assert states[0].terminated is not None
    assert states[1] is not None
    assert states[1].terminated is not None
    assert (states[1].terminated.exit_code, states[1].terminated.message) == (7, "gave up\n")
    assert waiting_reason(pod) == "PodInitializing"
    condition = next(c for c in pod.status.conditions if c.type == "Initialized")
    assert condition.message == "containers with incomplete status: [second]"
