"""Which pods and containers get the volume with which they call the API."""

from typing import Any

import pytest
from tests_apiserver import Api, pod

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def created(api: Api, namespace: str, name: str, **spec: Any) -> Any:
    made = api.post(f"/api/v1/namespaces/{namespace}/pods", pod(name, **spec))
    assert made.status == 201, made.data
    return made.json["spec"]


def test_every_container_mounts_it_read_only(admin: Api, namespace: str) -> None:
    init = [{"name": "first", "image": "x"}]
    spec = created(admin, namespace, "a", initContainers=init)
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"] == {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                    ]
                }
            },
        ],
    }
    mount = {"name": volume["name"], "readOnly": True, "mountPath": PATH}
    assert [one["volumeMounts"] for one in spec["initContainers"] + spec["containers"]] == [[mount], [mount]]


def test_a_container_that_mounts_something_there_keeps_it(admin: Api, namespace: str) -> None:
    own = {"name": "own", "mountPath": PATH}
    containers = [{"name": "a", "image": "x", "volumeMounts": [own]}]
    spec = created(admin, namespace, "a", containers=containers, volumes=[{"name": "own", "emptyDir": {}}])
    assert [one["name"] for one in spec["volumes"]] == ["own"]
    assert spec["containers"][0]["volumeMounts"] == [own]


def test_a_pod_that_has_the_volume_gets_no_second_one(admin: Api, namespace: str) -> None:
    first = created(admin, namespace, "a")
    volumes = first["volumes"]
    second = created(admin, namespace, "b", volumes=volumes)
    assert second["volumes"] == volumes
    assert second["containers"][0]["volumeMounts"][0]["name"] == volumes[0]["name"]


@pytest.mark.parametrize(
    ("account", "own", "mounted"),
    [(None, False, False), (False, None, False), (False, True, True), (True, False, False), (True, None, True)],
)
def test_the_pods_word_counts_more_than_the_accounts(
    admin: Api, namespace: str, account: bool | None, own: bool | None, mounted: bool
) -> None:
    made = {"metadata": {"name": "robot"}}
    told = {} if account is None else {"automountServiceAccountToken": account}
    assert admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", made | told).status == 201
    wish = {} if own is None else {"automountServiceAccountToken": own}
    spec = created(admin, namespace, "a", serviceAccountName="robot", **wish)
    assert bool(spec.get("volumes")) is mounted
    assert bool(spec["containers"][0].get("volumeMounts")) is mounted


def test_a_mirror_pod_gets_none(admin: Api, namespace: str) -> None:
    mirror = pod("a")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    made = admin.post(f"/api/v1/namespaces/{namespace}/pods", mirror)
    assert made.status == 201, made.data
    assert "volumes" not in made.json["spec"]
