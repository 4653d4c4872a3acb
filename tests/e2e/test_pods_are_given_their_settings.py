"""ConfigMaps, Secrets and facts about the pod, as variables and as files."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.pods import pod
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster
Run = Callable[..., Object]


@pytest.fixture
def made(run: Run, kubectl: Kubectl, namespace: str) -> Object:
    """A pod that is given all of them."""
    kubectl("create", "configmap", "settings", "--from-literal=colour=blue", "-n", namespace)
    kubectl("create", "secret", "generic", "keys", "--from-literal=password=s3cret", "-n", namespace)
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "BOTH", "value": "$(COLOUR)-$(PASSWORD)"},
    ]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "facts", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    mounts = [{"name": one["name"], "mountPath": f"/given/{one['name']}"} for one in volumes]
    return run(pod("given", env=env, volumes=volumes, volumeMounts=mounts))


def test_variables_and_files_hold_them(made: Object, cluster: Cluster) -> None:
    assert cluster.execute(made, "sh", "-c", "echo $BOTH $ADDRESS").split() == [
        "blue-s3cret",
        made["status"]["podIP"],
    ]
    assert cluster.execute(made, "cat", "/given/settings/colour") == "blue"
    assert cluster.execute(made, "cat", "/given/keys/password") == "s3cret"
    assert cluster.execute(made, "cat", "/given/facts/labels").strip() == 'app="given"'


def test_a_missing_config_map_is_waited_for(run: Run, kubectl: Kubectl, api: Api, namespace: str) -> None:
    env = [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "colour"}}}]

    def waits(one: Object) -> bool:
        statuses = one["status"].get("containerStatuses") or [{"state": {}}]
        return statuses[0]["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError"

    run(pod("patient", env=env), waits)
    kubectl("create", "configmap", "later", "--from-literal=colour=green", "-n", namespace)
    until(lambda: api.ready_pods("app=patient", namespace), limit_s=30, what="the pod")


def test_secrets_are_kept_as_base64(made: Object, api: Api, namespace: str) -> None:
    stored = api.get(f"/api/v1/namespaces/{namespace}/secrets/keys")["data"]["password"]
    assert base64.b64decode(stored) == b"s3cret"
