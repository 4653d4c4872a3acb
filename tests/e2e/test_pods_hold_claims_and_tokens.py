"""Claims get volumes and pods see them; tokens of service accounts open the API; mirrors of nothing go."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.pods.manifests import mirror_of, static_pod
from api.core import Pod
from api.errors import NotFound
from client import Client
from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.pods import pod
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster
Run = Callable[..., Object]


@pytest.mark.parametrize("kind", ["persistentVolumeClaim", "ephemeral"])
def test_a_claim_is_bound_and_its_files_are_seen(
    run: Run, kubectl: Kubectl, api: Api, cluster: Cluster, namespace: str, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "kept").write_text("here\n")
    size, modes = {"storage": "1Gi"}, ["ReadWriteOnce"]
    wish = {"accessModes": modes, "resources": {"requests": size}}
    name = "data" if kind == "persistentVolumeClaim" else "keeper-data"
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"v-{namespace}"},
        "spec": {
            "capacity": size,
            "accessModes": modes,
            "hostPath": {"path": str(tmp_path)},
            "claimRef": {"namespace": namespace, "name": name},
        },
    }
    kubectl.create(volume)
    if kind == "persistentVolumeClaim":
        kubectl.create(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wish},
            namespace=namespace,
        )
        source: Object = {"claimName": name}
    else:
        source = {"volumeClaimTemplate": {"spec": wish}}
    try:
        volumes = [{"name": "data", kind: source}]
        made = run(pod("keeper", volumes=volumes, volumeMounts=[{"name": "data", "mountPath": "/data"}]))
        assert cluster.execute(made, "cat", "/data/kept") == "here\n"
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        assert api.get(path)["status"]["phase"] == "Bound"
        kubectl("delete", "pod", "keeper", "--namespace", namespace, "--grace-period=1")
        if kind == "ephemeral":
            until(lambda: not api.is_there(path), limit_s=20, what="the claim to go with its pod")
        assert (tmp_path / "kept").exists()
    finally:
        kubectl("delete", "pv", f"v-{namespace}", "--wait=false")


def test_a_projected_token_names_its_pod(run: Run, cluster: Cluster, namespace: str) -> None:
    sources = [{"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}]
    volumes = [{"name": "id", "projected": {"sources": sources}}]
    made = run(pod("holder", volumes=volumes, volumeMounts=[{"name": "id", "mountPath": "/id"}]))
    claims = cluster.execute(made, "cat", "/id/token").split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["aud"] == ["vault"]
    assert said["sub"] == f"system:serviceaccount:{namespace}:default"
    assert said["kubernetes.io"]["pod"] == {"name": "holder", "uid": made["metadata"]["uid"]}


def test_a_mirror_of_nothing_goes(cluster: Cluster, api: Api, namespace: str) -> None:
    node = api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    manifest = f"kind: Pod\nmetadata: {{name: ghost, namespace: {namespace}}}\n"
    manifest += "spec: {containers: [{name: c, image: 'none:1'}]}\n"
    client = Client.from_kubeconfig(cluster.kubeconfig.parent / "agent.kubeconfig")
    try:
        made = client.create(mirror_of(static_pod(manifest.encode(), node=node, origin="/ghost.yaml")))

        def gone() -> bool:
            try:
                return client.get(Pod, made.metadata.name, namespace).metadata.uid != made.metadata.uid
            except NotFound:
                return True

        until(gone, limit_s=20, what="the mirror")
    finally:
        client.close()
