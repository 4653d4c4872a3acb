"""Validation: Kubernetes' sentences and paths."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.codec import convert
from api.core import ConfigMap, Endpoints, Namespace, Node, Pod, ReplicationController, Service
from api.defaulting import apply
from api.meta import Object
from api.validation import validate_beside_spec, validate_create, validate_update

LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def made(kind: type[Object], document: dict[str, Any]) -> Object:
    item = convert(document, kind)
    apply(item)
    return item


def faults(kind: type[Object], document: dict[str, Any]) -> list[str]:
    document.setdefault("metadata", {}).setdefault("name", "a")
    return [str(error) for error in validate_create(made(kind, document))]


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "c", "image": "nginx", **fields}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {"containers": list(containers or (container(),)), **spec}}


def controller(labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    return {"metadata": {"name": "a"}, "spec": {"template": template, **spec}}


def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {"ports": list(ports), **spec}}


def test_good_objects_have_no_faults() -> None:
    assert faults(Pod, pod()) == []
    assert faults(ReplicationController, controller({"app": "a"})) == []
    assert faults(Service, service({"port": 80})) == []
    assert faults(Namespace, {}) == []
    assert faults(Node, {}) == []


NEAR = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions"
MUST = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"spec": {}}, ["spec.containers: Required value"]),
        (
            {"spec": {"containers": [{}]}},
            ["spec.containers[0].name: Required value", "spec.containers[0].image: Required value"],
        ),
        (
            pod(container(), container()),
            ['spec.containers[1].name: Duplicate value: "c"'],
        ),
        (
            pod(container(), initContainers=[container(name="i"), container(name="i"), container()]),
            [
                'spec.initContainers[1].name: Duplicate value: "i"',
                'spec.initContainers[2].name: Duplicate value: "c"',
            ],
        ),
        (
            pod(restartPolicy="Sometimes"),
            [
                'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
            ],
        ),
        (
            pod(container(imagePullPolicy="Maybe")),
            [
                'spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", '
                '"IfNotPresent", "Never"',
            ],
        ),
        # Less than none counts as one second, and is taken.
        (pod(terminationGracePeriodSeconds=-1), []),
        (
            pod(securityContext={"sysctls": [{"name": "a.b"}, {"name": "a.b"}, {"name": "A"}]}),
            [
                'spec.securityContext.sysctls[1].name: Duplicate value: "a.b"',
                'spec.securityContext.sysctls[2].name: Invalid value: "A": must have at most 253 characters and match '
                r"regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            ],
        ),
        (
            pod(securityContext={"supplementalGroups": [1, -1]}),
            [
                "spec.securityContext.supplementalGroups[1]: Invalid value: -1: must be between 0 and 2147483647, "
                "inclusive"
            ],
        ),
        (
            pod(container(envFrom=[{"configMapRef": {}}, {"secretRef": {"name": "a"}}])),
            ["spec.containers[0].envFrom[0].configMapRef.name: Required value"],
        ),
        (
            pod(container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}])),
            ["spec.containers[0].env[0].valueFrom.secretKeyRef.name: Required value"],
        ),
        (
            pod(
                affinity={
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchFields": [{"key": "metadata.uid", "operator": "In", "values": ["a"]}]},
                                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]},
                                {"matchFields": [{"key": "metadata.name", "operator": "Gt", "values": ["1"]}]},
                            ]
                        }
                    }
                }
            ),
            [
                f'{MUST}[0].matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key',
                f"{MUST}[1].matchFields[0].values: Required value: must be only one value when `operator` is 'In' or "
                "'NotIn' for node field selector",
                f'{MUST}[2].matchFields[0].operator: Invalid value: "Gt": not a valid selector operator',
            ],
        ),
        (
            pod(
                affinity={
                    "podAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [
                            {
                                "topologyKey": "zone",
                                "labelSelector": {
                                    "matchExpressions": [
                                        {"key": "a", "operator": "In"},
                                        {"key": "", "operator": "Gt", "values": ["1"]},
                                        {"key": "a"},
                                    ]
                                },
                            }
                        ]
                    }
                }
            ),
            [
                f'{NEAR}[1].key: Invalid value: "": name part must be non-empty',
                f'{NEAR}[1].operator: Invalid value: "Gt": not a valid selector operator',
                f'{NEAR}[2].operator: Invalid value: "": not a valid selector operator',
                f"{NEAR}[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            ],
        ),
        (
            pod(volumes=[{"name": "v", "projected": {"sources": [{"secret": {}}]}}]),
            ["spec.volumes[0].projected.sources[0].secret.name: Required value"],
        ),
        (
            pod(container(ports=[{"containerPort": 70000}])),
            [
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, "
                "inclusive",
            ],
        ),
        (
            pod(container(ports=[{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}])),
            ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
        ),
        (
            pod(container(ports=[{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}])),
            ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//9"'],
        ),
        (
            pod(container(ports=[{"containerPort": 1, "hostPort": 9}]), hostNetwork=True),
            [
                "spec.containers[0].ports[0].containerPort: Invalid value: 1: must match `hostPort` when "
                "`hostNetwork` is true",
            ],
        ),
        (
            pod(container(env=[{"name": "A=B", "value": "x"}])),
            [
                'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist '
                "only of printable ASCII characters other than '='",
            ],
        ),
        (
            pod(container(env=[{"value": "x"}])),
            ["spec.containers[0].env[0].name: Required value"],
        ),
        (
            pod(
                container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])
            ),
            [
                'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not '
                "empty",
            ],
        ),
        (
            pod(container(env=[{"name": "A", "valueFrom": {}}])),
            [
                'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
                "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
            ],
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
            ["spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            pod(volumes=[{"name": "v"}, {"name": "v"}]),
            ['spec.volumes[1].name: Duplicate value: "v"'],
        ),
        (
            pod(volumes=[{"name": "v", "hostPath": {"path": "/a/../b"}}]),
            ["spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
        ),
        (
            pod(container(volumeMounts=[{"name": "v", "mountPath": "/x"}])),
            ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
        ),
        (
            pod(
                container(volumeMounts=[{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]),
                volumes=[{"name": "v"}],
            ),
            ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique'],
        ),
        (
            pod(container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})),
            [
                'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit '
                "of 1",
            ],
        ),
        (
            pod(container(resources={"limits": {"cpu": "-1"}, "requests": {"cpu": "-1"}})),
            [
                'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
                'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            ],
        ),
        (
            pod(container(livenessProbe={"periodSeconds": 1})),
            ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
        ),
        (
            pod(container(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}})),
            [
                "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            ],
        ),
        (
            pod(container(readinessProbe={"httpGet": {"port": 99999}})),
            [
                "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 99999: must be between 1 and 65535, "
                "inclusive",
            ],
        ),
        (
            pod(container(livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2})),
            ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            pod(container(lifecycle={"preStop": {}})),
            ["spec.containers[0].lifecycle.preStop: Required value: must specify a handler type"],
        ),
        (
            pod(hostname="a.b"),
            [
                'spec.hostname: Invalid value: "a.b": a lowercase RFC 1123 label must consist of lower case '
                "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. "
                "'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ],
        ),
    ],
)
def test_pods(document: dict[str, Any], said: list[str]) -> None:
    assert faults(Pod, document) == said


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            controller({"app": "a"}, replicas=-1),
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
        ({"spec": {"selector": {"a": "b"}}}, ["spec.template: Required value"]),
        ({"spec": {}}, ["spec.template: Required value", "spec.selector: Required value"]),
        (controller({}), ["spec.selector: Required value"]),
        (
            controller({"app": "b", "x": "y"}, selector={"app": "a"}),
            [
                'spec.template.metadata.labels: Invalid value: {"app":"b","x":"y"}: `selector` does not match template '
                "`labels`",
            ],
        ),
        (
            controller({"app": "-b"}, selector={"app": "-b"}),
            [
                f'metadata.labels: Invalid value: "-b": {LABEL_RULE}',
                f'spec.selector: Invalid value: "-b": {LABEL_RULE}',
                f'spec.template.metadata.labels: Invalid value: "-b": {LABEL_RULE}',
            ],
        ),
        (
            {"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {}}}},
            ["spec.template.spec.containers: Required value"],
        ),
        (
            {
                "spec": {
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {"containers": [container(), container()], "restartPolicy": "Never"},
                    }
                }
            },
            [
                'spec.template.spec.containers[1].name: Duplicate value: "c"',
                'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
            ],
        ),
    ],
)
def test_replication_controllers(document: dict[str, Any], said: list[str]) -> None:
    assert faults(ReplicationController, document) == said


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (service(), ["spec.ports: Required value"]),
        (service(clusterIP="None"), []),
        (service(type="ExternalName", externalName="a.example"), []),
        (service(type="ExternalName"), ["spec.externalName: Required value"]),
        (
            service({"port": 80, "nodePort": 30001}),
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            service({"port": 80, "nodePort": 70000}, type="NodePort"),
            ["spec.ports[0].nodePort: Invalid value: 70000: must be between 0 and 65535, inclusive"],
        ),
        (
            service({"port": 80, "name": "a"}, {"port": 81, "name": "a"}),
            ['spec.ports[1].name: Duplicate value: "a"'],
        ),
        (service({"port": 80}, {"port": 81, "name": "a"}), ["spec.ports[0].name: Required value"]),
        (
            service({"port": 80, "name": "a"}, {"port": 80, "name": "b"}),
            ['spec.ports[1]: Duplicate value: "80/TCP"'],
        ),
        (service({"port": 80, "name": "a"}, {"port": 80, "name": "b", "protocol": "UDP"}), []),
        (
            service(
                {"port": 80, "name": "a", "nodePort": 30001},
                {"port": 81, "name": "b", "nodePort": 30001},
                type="NodePort",
            ),
            ["spec.ports[1].nodePort: Duplicate value: 30001"],
        ),
        (
            service({"port": 80}, clusterIP="ten"),
            [
                'spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or '
                "2001:db8::ffff)",
            ],
        ),
        (
            service({"port": 80}, clusterIP="None", type="NodePort"),
            [
                "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer or NodePort "
                "services",
            ],
        ),
        (
            service({"port": 80}, type="Magic"),
            [
                'spec.type: Unsupported value: "Magic": supported values: "ExternalName", "ClusterIP", "NodePort", '
                '"LoadBalancer"',
            ],
        ),
        (
            service({"port": 80, "targetPort": "Not_A_Port"}),
            [
                'spec.ports[0].targetPort: Invalid value: "Not_A_Port": must contain only alpha-numeric characters '
                "(a-z, 0-9), and hyphens (-)",
            ],
        ),
        (
            service(
                {"port": 80}, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": -1}}
            ),
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: -1: must be between 1 and 86400, "
                "inclusive",
            ],
        ),
    ],
)
def test_services(document: dict[str, Any], said: list[str]) -> None:
    assert faults(Service, document) == said


@pytest.mark.parametrize(
    ("kind", "name", "good"),
    [
        (Pod, "a.b-c", True),
        (Pod, "A", False),
        (Pod, "a" * 253, True),
        (Pod, "a" * 254, False),
        (Pod, "a\n", False),
        (Pod, "../a", False),
        (Service, "a.b", False),
        (Service, "1a", False),
        (Service, "a" * 64, False),
        (Namespace, "a.b", False),
        (Namespace, "1-a", True),
        (Node, "node-1.example", True),
    ],
)
def test_names(kind: type[Object], name: str, good: bool) -> None:
    said = [error.path for error in validate_create(made(kind, {**pod(), "metadata": {"name": name}}))]
    assert ("metadata.name" not in said) is good


def test_metadata() -> None:
    assert faults(ConfigMap, {"metadata": {"name": "A"}}) == [f'metadata.name: Invalid value: "A": {SUBDOMAIN_RULE}']
    assert [str(error) for error in validate_create(ConfigMap())] == [
        "metadata.name: Required value: name or generateName is required"
    ]
    assert faults(ConfigMap, {"metadata": {"labels": {"-a": "b"}}})[0].startswith(
        'metadata.labels: Invalid value: "-a": name part must consist of'
    )
    assert faults(ConfigMap, {"metadata": {"annotations": {"a": "x" * 2**18}}}) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": True}
    assert faults(ConfigMap, {"metadata": {"ownerReferences": [owner, {**owner, "uid": "2"}]}}) == [
        'metadata.ownerReferences: Invalid value: "": Only one reference can have Controller set to true'
    ]
    assert faults(ConfigMap, {"metadata": {"ownerReferences": [{"name": "a"}]}}) == [
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": kind must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": uid must not be empty',
    ]


def test_annotations_may_have_capitals_and_configs_any_file_name() -> None:
    assert faults(ConfigMap, {"metadata": {"annotations": {"Example.COM/Name": "x"}}, "data": {"a_b.conf": ""}}) == []
    assert faults(ConfigMap, {"data": {"a/b": ""}}) == [
        "data: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
        "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    ]


def test_endpoints_need_addresses() -> None:
    assert faults(Endpoints, {"subsets": [{"addresses": [{"ip": "x"}], "ports": [{"port": 0}]}]}) == [
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ]


def changes(old: dict[str, Any], new: dict[str, Any], kind: type[Object] = Pod) -> list[str]:
    return [str(error) for error in validate_update(made(kind, new), made(kind, old))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pod(), pod(container(image="other"))),
        (pod(), pod(tolerations=[{"key": "a", "operator": "Exists"}])),
        (pod(), pod(activeDeadlineSeconds=5)),
        (pod(activeDeadlineSeconds=5), pod(activeDeadlineSeconds=4)),
        (pod(schedulingGates=[{"name": "a"}, {"name": "b"}]), pod(schedulingGates=[{"name": "b"}])),
    ],
)
def test_of_a_pod_little_may_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert changes(before, after) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pod(), pod(nodeName="n")),
        (pod(), pod(container(), container(name="d"))),
        (pod(), pod(container(command=["x"]))),
        (pod(), pod(terminationGracePeriodSeconds=5)),
        (pod(), pod(restartPolicy="Never")),
        (pod(tolerations=[{"key": "a", "operator": "Exists"}]), pod()),
        (pod(), pod(schedulingGates=[{"name": "a"}])),
    ],
)
def test_of_a_pod_all_else_is_forbidden(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert [said.partition("fields other than")[0] for said in changes(before, after)] == [
        "spec: Forbidden: pod updates may not change "
    ]


def test_a_deadline_only_comes_nearer() -> None:
    assert changes(pod(activeDeadlineSeconds=5), pod(activeDeadlineSeconds=6)) == [
        "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"
    ]
    assert changes(pod(activeDeadlineSeconds=5), pod()) == [
        'spec.activeDeadlineSeconds: Invalid value: "null": must not update from a positive integer to nil value'
    ]


def test_a_cluster_address_stays() -> None:
    before, after = (service({"port": 80}, clusterIP=address) for address in ("10.96.0.5", "10.96.0.6"))
    assert changes(before, after, Service) == [
        'spec.clusterIPs[0]: Invalid value: "10.96.0.6": may not change once set'
    ]
    assert changes(before, before, Service) == []
    assert changes(before, service(type="ExternalName", externalName="a.example"), Service) == []


def test_identity_stays_and_finalizers_do_not_come_late() -> None:
    old, new = made(ConfigMap, {"metadata": {"name": "a", "uid": "1"}}), made(ConfigMap, {"metadata": {"name": "b"}})
    assert [str(error) for error in validate_update(new, old)] == [
        'metadata.name: Invalid value: "b": field is immutable',
        'metadata.uid: Invalid value: "": field is immutable',
    ]
    going = made(ConfigMap, {"metadata": {"name": "a", "finalizers": ["x/y"]}})
    going.metadata.deletion_timestamp = datetime.now(UTC)
    late = made(ConfigMap, {"metadata": {"name": "a", "finalizers": ["x/y", "x/z"]}})
    assert [error.path for error in validate_update(late, going)] == ["metadata.finalizers"]
    assert validate_update(going, late) == []


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "1", "controller": True}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": {"a": "b"}},
        {"labels": {"a": "-b-", "-": "c"}},
        {"annotations": {"/": "b"}},
        {"annotations": {"a": "b" * 300_000}},
        {"finalizers": ["x/y", "unqualified", "-"]},
        {"ownerReferences": [{"kind": "Pod"}]},
        {
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in "ab"
            ]
        },
        {"generateName": "_"},
        {"name": "b"},
        {"uid": "2"},
    ],
)
@pytest.mark.parametrize("kind", [Pod, Node, ReplicationController, Service])
def test_beside_an_unchanged_spec_the_metadata_keeps_all_its_rules(
    kind: type[Object], metadata: dict[str, Any]
) -> None:
    specs: dict[Any, dict[str, Any]] = {
        Pod: pod(),
        Node: {"spec": {"podCIDR": "10.0.0.0/24"}},
        ReplicationController: controller({"a": "b"}),
        Service: service({"port": 80}),
    }
    old = made(kind, {**specs[kind], "metadata": {"name": "a"}})
    new = made(kind, {**specs[kind], "metadata": {"name": "a", **metadata}})
    assert set(validate_beside_spec(new, old)) == set(validate_update(new, old))
    assert bool(validate_beside_spec(new, old)) == (metadata not in ({}, {"labels": {"a": "b"}}))
