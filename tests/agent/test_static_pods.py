"""Pods from a folder of manifests, and their mirrors; and what runs on without the master."""

from pathlib import Path

import pytest
import yaml

from agent.pods.manifests import MIRROR, ManifestError, ManifestFolder, mirror_of, static_pod
from api.codec import plain
from api.core import Pod, Service
from tests.agent.cluster import NODE, Cluster, ready
from tests.e2e.waiting import until

_POD = b"kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: 'img:1'}]}\n"


def test_a_static_pod_has_the_nodes_name_and_a_uid_of_its_content() -> None:
    pod = static_pod(_POD, node="n1", origin="/x")
    assert (pod.metadata.namespace, pod.metadata.name, pod.spec.node_name) == ("default", "web-n1", "n1")
    assert static_pod(_POD, node="n1", origin="/x").metadata.uid == pod.metadata.uid
    assert static_pod(_POD.replace(b"img:1", b"img:2"), node="n1", origin="/x").metadata.uid != pod.metadata.uid
    assert mirror_of(pod).metadata.annotations[MIRROR] == pod.metadata.uid


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "not readable"),
        (b"- a", "not readable"),
        (b"kind: Service\nmetadata: {name: x}", "kind"),
        (b"kind: Pod\nmetadata: {name: x}", "containers"),
        (
            b"kind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: c, image: i}], volumes: [{name: v, new: {}}]}",
            r"spec.volumes\[0\].new: no volume plugin matched",
        ),
    ],
)
def test_a_file_that_is_no_pod_is_refused_by_its_field(content: bytes, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        static_pod(content, node="n1", origin="/x")


def test_a_file_that_gets_broken_leaves_its_pod_running(tmp_path: Path) -> None:
    told: list[list[str]] = []
    folder = ManifestFolder(
        tmp_path, node="n1", look_s=60, on_pods=lambda pods: told.append([p.metadata.name for p in pods])
    )
    (tmp_path / "web.yaml").write_bytes(_POD)
    (tmp_path / "notes.txt").write_text("no manifest")
    folder.look()
    (tmp_path / "web.yaml").write_bytes(b"{")
    folder.look()
    (tmp_path / "web.yaml").unlink()
    folder.look()
    assert told == [["web-n1"], []]


def _write(cluster: Cluster, folder: Path, command: str) -> None:
    pod = cluster.pod("web", command, terminationGracePeriodSeconds=1)
    document = {"apiVersion": "v1", "kind": "Pod", **plain(pod)}
    del document["spec"]["nodeName"]
    temporary = folder / ".web.new"
    temporary.write_text(yaml.safe_dump(document))
    temporary.rename(folder / "web.yaml")


@pytest.mark.docker
def test_a_static_pod_runs_without_the_master_and_is_mirrored_when_it_comes(cluster: Cluster) -> None:
    folder = cluster.directory / "manifests"
    folder.mkdir(parents=True)
    _write(cluster, folder, "exec sleep 1000")
    cluster.api.down = True
    cluster.start_agent(manifest_dir=folder, manifest_look_s=0.1)
    until(lambda: len(cluster.containers(all=False)) == 2)
    cluster.api.down = False
    name = f"web-{NODE}"
    mirror = cluster.wait_pod(name, ready)
    # Deleted in the API it comes back, and nothing has happened to what runs.
    running = {row["Id"] for row in cluster.containers(all=False)}
    cluster.delete(name)
    again = cluster.wait_pod(name, lambda pod: ready(pod) and pod.metadata.uid != mirror.metadata.uid)
    assert {row["Id"] for row in cluster.containers(all=False)} == running
    # A changed file is another pod, and another mirror.
    _write(cluster, folder, "exec sleep 2000")
    cluster.wait_pod(name, lambda pod: ready(pod) and pod.metadata.uid != again.metadata.uid)
    until(lambda: len(cluster.containers()) == 2)
    assert running.isdisjoint(row["Id"] for row in cluster.containers())
    (folder / "web.yaml").unlink()
    cluster.wait_gone(name)
    until(lambda: cluster.containers() == [])


@pytest.mark.docker
def test_a_container_restarts_after_a_restart_of_the_agent_without_the_master(cluster: Cluster) -> None:
    cluster.add(Service, "db", spec={"clusterIP": "10.96.0.9", "ports": [{"port": 5432}]})
    agent = cluster.start_agent()
    until(lambda: agent.services.synced)
    cluster.create("web", "exec sleep 1000")
    pod = cluster.wait_pod("web", ready)
    first = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    cluster.stop_agent(agent)
    cluster.api.down = True
    cluster.start_agent()
    cluster.docker.kill(first)

    def restarted() -> list[str]:
        rows = cluster.containers(all=False)
        return [row["Id"] for row in rows if "k8s_main_" in row["Names"][0] and row["Id"] != first]

    until(lambda: bool(restarted()))
    assert "DB_SERVICE_HOST=10.96.0.9" in cluster.docker.inspect_container(restarted()[0])["Config"]["Env"]
    assert isinstance(pod, Pod)
