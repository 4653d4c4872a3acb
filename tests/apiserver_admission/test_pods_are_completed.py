"""What admission adds to a pod, and why it refuses one."""

from typing import Any

import pytest
from tests_apiserver import Api, pod

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def created(api: Api, namespace: str, name: str, **spec: Any) -> Any:
    made = api.post(pods(namespace), pod(name, **spec))
    assert made.status == 201, made.data
    return made.json["spec"]


def refused(api: Api, namespace: str, name: str, **spec: Any) -> str:
    answer = api.post(pods(namespace), pod(name, **spec))
    assert answer.status == 403, answer.data
    message: str = answer.json["message"]
    return message


def test_nothing_is_made_in_a_namespace_that_is_not_there_or_goes(admin: Api, namespace: str) -> None:
    missing = admin.post(pods("nowhere"), pod("a"))
    assert (missing.status, missing.json["message"]) == (404, 'namespaces "nowhere" not found')
    admin.post(pods(namespace), pod("a"))
    assert admin.delete(f"/api/v1/namespaces/{namespace}").status == 200
    going = admin.post(pods(namespace), pod("b"))
    assert going.status == 403
    assert "because it is being terminated" in going.json["message"]
    assert going.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_a_pod_gets_the_default_account_and_its_pull_secrets(admin: Api, namespace: str) -> None:
    assert created(admin, namespace, "a")["serviceAccountName"] == "default"
    account = {"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "key"}]}
    assert admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account).status == 201
    spec = created(admin, namespace, "b")
    assert (spec["serviceAccount"], spec["imagePullSecrets"]) == ("default", [{"name": "key"}])
    own = created(admin, namespace, "c", imagePullSecrets=[{"name": "mine"}])
    assert own["imagePullSecrets"] == [{"name": "mine"}]


def test_an_account_that_is_named_must_be_there(admin: Api, namespace: str) -> None:
    assert refused(admin, namespace, "a", serviceAccountName="robot") == (
        f'pods "a" is forbidden: error looking up service account {namespace}/robot: serviceaccount "robot" not found'
    )


def test_a_priority_comes_from_its_class(admin: Api, namespace: str) -> None:
    plain = created(admin, namespace, "a")
    assert (plain["priority"], plain["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert created(admin, namespace, "b", priorityClassName="system-node-critical")["priority"] == 2_000_001_000
    made = admin.post(CLASSES, {"metadata": {"name": f"{namespace}-c"}, "value": 7, "preemptionPolicy": "Never"})
    assert made.status == 201, made.data
    spec = created(admin, namespace, "c", priorityClassName=f"{namespace}-c")
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")
    assert "no PriorityClass with name x was found" in refused(admin, namespace, "d", priorityClassName="x")
    assert "must not be provided in pod spec" in refused(admin, namespace, "e", priority=9)


def test_there_is_one_default_class_at_most(admin: Api, namespace: str) -> None:
    one = {"metadata": {"name": "normal"}, "value": 5, "globalDefault": True}
    assert admin.post(CLASSES, one).status == 201
    try:
        spec = created(admin, namespace, "a")
        assert (spec["priority"], spec["priorityClassName"]) == (5, "normal")
        again = admin.post(CLASSES, one | {"metadata": {"name": "usual"}})
        assert again.status == 403
        assert "PriorityClass normal is already marked as default" in again.json["message"]
    finally:
        admin.delete(f"{CLASSES}/normal")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("system-mine", 1, "prefix are reserved for system use only"),
        ("big", 2_000_000_000, "maximum allowed value of a user defined priority is 1000000000"),
    ],
)
def test_a_class_of_ones_own_stays_below_the_systems(admin: Api, name: str, value: int, message: str) -> None:
    answer = admin.post(CLASSES, {"metadata": {"name": name}, "value": value})
    assert answer.status == 422
    assert message in answer.json["message"]


def test_a_pod_bears_a_lost_node_for_five_minutes_unless_it_says_otherwise(admin: Api, namespace: str) -> None:
    added = created(admin, namespace, "a")["tolerations"]
    assert [(one["key"], one["effect"], one["tolerationSeconds"]) for one in added] == [
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    ]
    assert created(admin, namespace, "b", tolerations=[{"operator": "Exists"}])["tolerations"] == [
        {"operator": "Exists"}
    ]
