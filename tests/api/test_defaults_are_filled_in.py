"""Defaulting: what Kubernetes fills in, and that what was written stays."""

from typing import Any

import pytest

from api.apps import ReplicaSet
from api.codec import convert, plain
from api.core import Namespace, Node, Pod, ReplicationController, Secret, Service
from api.defaulting import apply
from api.validation import validate_create


def pod(spec: dict[str, Any]) -> Pod:
    item = convert({"metadata": {"name": "a"}, "spec": spec}, Pod)
    apply(item)
    return item


def service(spec: dict[str, Any]) -> Service:
    item = convert({"metadata": {"name": "a"}, "spec": spec}, Service)
    apply(item)
    return item


def test_a_small_pod_becomes_a_whole_one() -> None:
    item = pod({"containers": [{"name": "c", "image": "nginx"}]})
    assert plain(item.spec) == {
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert plain(item.status) == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    item = pod({"containers": [{"name": "c", "image": image}], "initContainers": [{"name": "i", "image": image}]})
    assert [c.image_pull_policy for c in (*item.spec.containers, *item.spec.init_containers)] == [policy, policy]


def test_what_was_written_stays() -> None:
    item = pod(
        {
            "containers": [{"name": "c", "image": "a", "imagePullPolicy": "Never"}],
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "volumes": [{"name": "v", "configMap": {"name": "m", "defaultMode": 0}}],
        }
    )
    assert item.spec.containers[0].image_pull_policy == "Never"
    assert item.spec.enable_service_links is False
    assert item.spec.termination_grace_period_seconds == 0
    assert item.spec.restart_policy == "Never"
    assert item.spec.volumes[0].config_map is not None
    assert item.spec.volumes[0].config_map.default_mode == 0


def test_probes_ports_volumes_and_references_are_completed() -> None:
    item = pod(
        {
            "hostNetwork": True,
            "serviceAccountName": "robot",
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
            "containers": [
                {
                    "name": "c",
                    "ports": [{"containerPort": 80}],
                    "livenessProbe": {"httpGet": {"port": 80}},
                    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                }
            ],
        }
    )
    container = plain(item.spec)["containers"][0]
    assert container["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "failureThreshold": 3,
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert plain(item.spec)["volumes"] == [
        {"name": "v", "emptyDir": {}},
        {"name": "s", "secret": {"secretName": "x", "defaultMode": 0o644}},
    ]
    assert item.spec.service_account == "robot"


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ([{}], "BestEffort"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        (
            [{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1073741824"}}],
            "Guaranteed",
        ),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"requests": {"example.com/gpu": "1"}}], "BestEffort"),
        ([{"requests": {"cpu": "0", "memory": "0"}}], "BestEffort"),
        ([{"limits": {"cpu": "0", "memory": "1Gi"}}], "Burstable"),
    ],
)
def test_quality_of_service_follows_requests_and_limits(resources: list[dict[str, Any]], qos: str) -> None:
    item = pod({"containers": [{"name": f"c{n}", "resources": value} for n, value in enumerate(resources)]})
    assert item.status.qos_class == qos


ALL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("whole", "container", "requests", "qos"),
    [
        ({"limits": ALL}, {}, ALL, "Guaranteed"),
        ({"limits": ALL}, {"requests": {"cpu": "500m"}}, {"cpu": "500m", "memory": "1Gi"}, "Burstable"),
        ({"limits": ALL}, {"requests": {"cpu": "1"}}, ALL, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, {"limits": ALL}, {"cpu": "1", "memory": "1Gi"}, "Burstable"),
        ({"requests": {"memory": "1Gi"}}, {}, {"memory": "1Gi"}, "Burstable"),
        ({"requests": {"cpu": "2", "memory": "2Gi"}, "limits": ALL}, {}, {"cpu": "2", "memory": "2Gi"}, "Burstable"),
        ({"requests": {"cpu": "0"}}, {"limits": ALL}, {"cpu": "0", "memory": "1Gi"}, "Burstable"),
        ({"requests": {}}, {"limits": ALL}, {}, "Guaranteed"),
        ({"requests": {}}, {}, {}, "BestEffort"),
    ],
)
def test_what_is_said_of_the_pod_as_a_whole_counts(whole: Any, container: Any, requests: Any, qos: str) -> None:
    item = pod({"resources": whole, "containers": [{"name": "c", "resources": container}]})
    assert item.status.qos_class == qos
    assert item.spec.resources is not None
    assert item.spec.resources.requests == requests


def test_requests_are_the_limits_by_default() -> None:
    item = pod({"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Mi"}}}]})
    assert item.spec.containers[0].resources is not None
    assert item.spec.containers[0].resources.requests == {"memory": "1Mi", "cpu": "2"}


def test_a_replication_controller_takes_its_templates_labels() -> None:
    document = {"spec": {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c"}]}}}}
    item = convert(document, ReplicationController)
    apply(item)
    assert item.spec.replicas == 1
    assert item.spec.selector == item.metadata.labels == {"app": "a"}
    assert item.spec.template is not None
    assert item.spec.template.spec.restart_policy == "Always"
    item.spec.selector["more"] = "x"
    assert item.metadata.labels == item.spec.template.metadata.labels == {"app": "a"}, "each has a map of its own"


def test_no_replicas_at_all_stay_none() -> None:
    item = convert({"spec": {"replicas": 0}}, ReplicationController)
    apply(item)
    assert item.spec.replicas == 0


def test_a_service_is_completed() -> None:
    assert plain(service({"ports": [{"port": 80}, {"name": "d", "port": 53, "protocol": "UDP"}]}).spec) == {
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [
            {"port": 80, "protocol": "TCP", "targetPort": 80},
            {"name": "d", "port": 53, "protocol": "UDP", "targetPort": 53},
        ],
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }


def test_a_node_port_service_lets_traffic_in_everywhere() -> None:
    assert service({"type": "NodePort"}).spec.external_traffic_policy == "Cluster"
    assert service({"type": "LoadBalancer"}).spec.allocate_load_balancer_node_ports is True
    assert service({"type": "ExternalName"}).spec.ip_families == []


@pytest.mark.parametrize(
    ("spec", "policy", "families"),
    [
        ({"clusterIP": "None"}, "RequireDualStack", ["IPv4", "IPv6"]),
        ({"clusterIP": "None", "ipFamilies": ["IPv6"]}, "RequireDualStack", ["IPv6", "IPv4"]),
        ({"clusterIP": "None", "ipFamilyPolicy": "SingleStack"}, "SingleStack", ["IPv4"]),
        ({"clusterIP": "None", "selector": {"a": "b"}}, "SingleStack", ["IPv4"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", ["IPv4"]),
    ],
)
def test_a_headless_service_of_endpoints_by_hand_has_both_families(
    spec: dict[str, Any], policy: str, families: list[str]
) -> None:
    found = service(spec).spec
    assert (found.ip_family_policy, found.ip_families) == (policy, families)


@pytest.mark.parametrize("written", [None, {}, {"clientIP": {}}])
def test_affinity_lasts_three_hours(written: Any) -> None:
    spec = {"sessionAffinity": "ClientIP", **({"sessionAffinityConfig": written} if written is not None else {})}
    assert plain(service(spec).spec)["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_details_of_an_affinity_go_with_it() -> None:
    item = service({"sessionAffinity": "None", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}})
    assert item.spec.session_affinity_config is None


def test_other_kinds() -> None:
    namespace = convert({"metadata": {"name": "a"}}, Namespace)
    apply(namespace)
    assert namespace.status.phase == "Active"
    assert namespace.metadata.labels == {"kubernetes.io/metadata.name": "a"}
    node = convert({"status": {"capacity": {"cpu": "2"}}}, Node)
    apply(node)
    assert node.status.allocatable == {"cpu": "2"}
    secret = convert({"data": {"a": "YQ=="}, "stringData": {"b": "ü"}}, Secret)
    apply(secret)
    assert secret.type == "Opaque"
    assert secret.data == {"a": b"a", "b": "ü".encode()}
    assert secret.string_data == {}


def test_a_template_is_not_completed_as_a_pod_is() -> None:
    """So that what a controller keeps is what its manifest says, as in Kubernetes."""
    port, limits = {"containerPort": 80}, {"limits": {"cpu": "1"}}
    spec = {"hostNetwork": True, "containers": [{"name": "c", "image": "x", "ports": [port], "resources": limits}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
    whole = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    item = convert({"metadata": {"name": "a", "namespace": "d"}, "spec": whole}, ReplicaSet)
    apply(item)
    assert item.spec.template is not None
    kept = item.spec.template.spec
    assert kept.containers[0].resources is not None
    assert (kept.enable_service_links, kept.containers[0].resources.requests) == (None, {})
    assert kept.containers[0].ports[0].host_port in (None, 0)
    assert (kept.dns_policy, kept.containers[0].image_pull_policy) == ("ClusterFirst", "Always")
    assert item.metadata.labels == {}
    assert validate_create(item) == []
    made = convert({"spec": spec}, Pod)
    apply(made)
    assert made.spec.containers[0].resources is not None
    assert made.spec.containers[0].resources.requests == {"cpu": "1"}
    assert (made.spec.enable_service_links, made.spec.containers[0].ports[0].host_port) == (True, 80)
