"""What cannot be is refused with the words of Kubernetes, and nothing of it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import yaml

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.pods import controller, pod, service

pytestmark = pytest.mark.cluster


def without(wanted: Object, *path: str | int) -> Object:
    """The object less what lies at the end of a path."""
    place: object = wanted
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    del place[path[-1]]  # type: ignore[attr-defined]
    return wanted


def with_value(wanted: Object, value: object, *path: str | int) -> Object:
    place: object = wanted
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]
    return wanted


@dataclass(frozen=True)
class Bad:
    """An object, and what kubectl says of it."""

    wanted: Object | str
    said: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.wanted if isinstance(self.wanted, str) else yaml.safe_dump(self.wanted)


TABLE = {
    "malformed YAML": Bad("apiVersion: v1\nkind: Pod\n  metadata: [", ("error parsing", "yaml")),
    "no kind": Bad("apiVersion: v1\nmetadata: {name: bad}\n", ("error validating data", "kind not set")),
    "unknown kind": Bad(
        "apiVersion: v1\nkind: Podd\nmetadata: {name: bad}\n", ('no matches for kind "Podd" in version "v1"',)
    ),
    "unknown version": Bad(
        "apiVersion: v9\nkind: Pod\nmetadata: {name: bad}\n", ('no matches for kind "Pod" in version "v9"',)
    ),
    "missing image": Bad(
        without(pod("bad"), "spec", "containers", 0, "image"),
        ('The Pod "bad" is invalid', "spec.containers[0].image: Required value"),
    ),
    "missing containers": Bad(
        without(pod("bad"), "spec", "containers"),
        ('The Pod "bad" is invalid', "spec.containers: Required value"),
    ),
    "missing ports": Bad(
        without(service("bad", 80), "spec", "ports"),
        ('The Service "bad" is invalid', "spec.ports: Required value"),
    ),
    "wrong type": Bad(
        with_value(controller("bad", 1), "three", "spec", "replicas"),
        ("Error from server (BadRequest)", "replicas"),
    ),
    "list for a map": Bad(
        with_value(pod("bad"), ["a"], "metadata", "labels"),
        ("cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",),
    ),
    "bad name": Bad(
        with_value(pod("bad"), "Bad_Name", "metadata", "name"),
        ('The Pod "Bad_Name" is invalid', "metadata.name: Invalid value", "RFC 1123"),
    ),
    "bad label": Bad(
        with_value(pod("bad"), {"app": "not good"}, "metadata", "labels"),
        ('The Pod "bad" is invalid', "metadata.labels: Invalid value"),
    ),
    "selector without its template": Bad(
        with_value(controller("bad", 1), {"app": "other"}, "spec", "selector"),
        ('The ReplicationController "bad" is invalid', "spec.template.metadata.labels: Invalid value"),
    ),
    "negative replicas": Bad(
        with_value(controller("bad", 1), -1, "spec", "replicas"),
        ("spec.replicas: Invalid value: -1: must be greater than or equal to 0",),
    ),
    "port too large": Bad(
        service("bad", 70000),
        ("spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",),
    ),
    "duplicate container": Bad(
        with_value(pod("bad"), pod("bad")["spec"]["containers"] * 2, "spec", "containers"),
        ('spec.containers[1].name: Duplicate value: "main"',),
    ),
    "unknown restart policy": Bad(
        with_value(pod("bad"), "Sometimes", "spec", "restartPolicy"),
        ('spec.restartPolicy: Unsupported value: "Sometimes"', '"Always", "OnFailure", "Never"'),
    ),
    "bad quantity": Bad(
        pod("bad", resources={"limits": {"memory": "much"}}),
        ("Error from server (BadRequest)", "quantities must match the regular expression"),
    ),
    "limit below request": Bad(
        pod("bad", resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
        ("spec.containers[0].resources.requests: Invalid value", "must be less than or equal to cpu limit"),
    ),
    "unknown field": Bad(
        with_value(pod("bad"), "x", "spec", "colour"),
        ("Error from server (BadRequest)", "strict decoding error", 'unknown field "spec.colour"'),
    ),
    "foreign namespace": Bad(
        with_value(pod("bad"), "elsewhere", "metadata", "namespace"),
        ("the namespace from the provided object", "does not match"),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_kubectl_tells_what_is_wrong(case: str, kubectl: Kubectl, api: Api, created: str) -> None:
    bad = TABLE[case]
    result = kubectl.try_it("create", "-n", "default", "-f", "-", stdin=bad.text)
    assert result.returncode == 1, result.stdout
    for words in bad.said:
        assert words in result.stderr
    for plural in ("pods", "services", "replicationcontrollers"):
        assert not api.is_there(f"/api/v1/namespaces/default/{plural}/bad")
        assert not api.items(plural, selector="app=bad")


def test_a_node_port_out_of_range_is_refused(kubectl: Kubectl, api: Api, cluster: Cluster, created: str) -> None:
    ports = cluster.slot.node_ports
    wanted = service("bad", 80, type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    result = kubectl.try_it("create", "-f", "-", stdin=yaml.safe_dump(wanted))
    assert (
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        f"The range of valid ports is {ports[0]}-{ports[-1]}" in result.stderr
    )
    assert not api.is_there("/api/v1/namespaces/default/services/bad")


def test_a_taken_node_port_is_refused(kubectl: Kubectl, api: Api, cluster: Cluster, created: str) -> None:
    wanted = service("bad", 80, type="NodePort", ports=[{"port": 80, "nodePort": cluster.node_port}])
    result = kubectl.try_it("create", "-f", "-", stdin=yaml.safe_dump(wanted))
    expected = f"spec.ports[0].nodePort: Invalid value: {cluster.node_port}: provided port is already allocated"
    assert expected in result.stderr
    assert not api.is_there("/api/v1/namespaces/default/services/bad")


def test_a_taken_cluster_address_is_refused(kubectl: Kubectl, api: Api, created: str) -> None:
    taken = api.get("/api/v1/namespaces/default/services/frontend")["spec"]["clusterIP"]
    wanted = service("bad", 80, clusterIP=taken)
    result = kubectl.try_it("create", "-f", "-", stdin=yaml.safe_dump(wanted))
    assert "spec.clusterIPs: Invalid value" in result.stderr
    assert "provided IP is already allocated" in result.stderr
    assert not api.is_there("/api/v1/namespaces/default/services/bad")


def test_a_name_is_given_only_once(kubectl: Kubectl, created: str) -> None:
    result = kubectl.try_it("create", "-f", "-", stdin=yaml.safe_dump(service("frontend", 80)))
    assert "Error from server (AlreadyExists)" in result.stderr
    assert 'services "frontend" already exists' in result.stderr


def test_what_is_not_there_is_not_found(kubectl: Kubectl) -> None:
    result = kubectl.try_it("get", "pod", "nobody")
    assert result.stderr == 'Error from server (NotFound): pods "nobody" not found\n'
    result = kubectl.try_it("create", "-n", "nowhere", "-f", "-", stdin=yaml.safe_dump(pod("bad")))
    assert 'namespaces "nowhere" not found' in result.stderr


def test_the_status_names_each_field(api: Api) -> None:
    wanted = without(pod("bad"), "spec", "containers", 0, "image")
    wanted["spec"]["restartPolicy"] = "Sometimes"
    answer = api.call("POST", "/api/v1/namespaces/default/pods", json=wanted)
    status = answer.json()
    assert (answer.status_code, status["kind"], status["reason"], status["code"]) == (422, "Status", "Invalid", 422)
    causes = {one["field"]: one["reason"] for one in status["details"]["causes"]}
    assert causes["spec.containers[0].image"] == "FieldValueRequired"
    assert causes["spec.restartPolicy"] == "FieldValueNotSupported"


def test_what_may_not_change_does_not(kubectl: Kubectl, api: Api, created: str) -> None:
    (front, *_) = api.ready_pods("name=frontend")
    name = front["metadata"]["name"]
    result = kubectl.try_it("patch", "pod", name, "-p", '{"spec": {"restartPolicy": "Never"}}')
    assert result.returncode == 1
    assert "pod updates may not change fields other than" in result.stderr
    assert api.pod(name)["spec"]["restartPolicy"] == "Always"


def test_half_a_file_is_reported_for_its_bad_half(kubectl: Kubectl, api: Api, namespace: str) -> None:
    text = yaml.safe_dump_all([service("good", 80), service("bad", 70000)])
    result = kubectl.try_it("create", "-n", namespace, "-f", "-", stdin=text)
    assert result.returncode == 1
    assert result.stdout == "service/good created\n"
    assert [one["metadata"]["name"] for one in api.items("services", namespace)] == ["good"]
