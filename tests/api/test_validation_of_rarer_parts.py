"""What kube-apiserver refuses, in its words, in the parts of objects that few have; each row was asked of both."""

from typing import Any

import pytest

from api.apps_sets import DaemonSet
from api.codec import convert
from api.core import ConfigMap, Endpoints, Event, Node, Pod, PodTemplate, Secret, Service
from api.core.quota import LimitRange
from api.defaulting import apply
from api.meta import Object
from api.policy import PodDisruptionBudget
from api.storage import CSIDriver, CSINode, StorageClass
from api.validation import validate_create, validate_update


def faults(kind: type[Object], document: dict[str, Any]) -> list[str]:
    item = convert({"metadata": {"name": "a", "namespace": "n"}, **document}, kind)
    apply(item)
    return [str(error) for error in validate_create(item)]


def pod(**spec: Any) -> list[str]:
    return faults(Pod, {"spec": {"containers": [{"name": "c", "image": "x"}], **spec}})


def container(**fields: Any) -> list[str]:
    return faults(Pod, {"spec": {"containers": [{"name": "c", "image": "x", **fields}]}})


def volume(**source: Any) -> list[str]:
    return pod(volumes=[{"name": "v", **source}])


def env(**source: Any) -> list[str]:
    return container(env=[{"name": "e", "valueFrom": source}])


def terms(**expression: Any) -> list[str]:
    must = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", **expression}]}]}
    return pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": must}})


AT = "spec.containers[0]"
TERM = (
    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]"
)
NO_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            pod(securityContext={"seccompProfile": {"type": "Localhost"}}),
            "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is "
            "Localhost",
        ),
        (
            container(securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "a/../b"}}),
            f"{AT}.securityContext.seccompProfile.localhostProfile: Invalid value: \"a/../b\": must not contain '..'",
        ),
        (
            pod(activeDeadlineSeconds=0),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            env(fieldRef={"fieldPath": "spec.x"}),
            f'{AT}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": error converting fieldPath: field '
            "label not supported: spec.x",
        ),
        (
            container(envFrom=[{}]),
            f'{AT}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        ),
        (volume(secret={}), "spec.volumes[0].secret.secretName: Required value"),
        (volume(configMap={"name": ""}), "spec.volumes[0].configMap.name: Required value"),
        (
            volume(nfs={"server": "s", "path": "x"}),
            'spec.volumes[0].nfs.path: Invalid value: "x": must be an absolute path',
        ),
        (
            volume(downwardAPI={"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}),
            'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: '
            '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
        ),
        (
            container(resources={"limits": {"foo": "1"}, "requests": {}}),
            f'{AT}.resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        ),
        (
            container(resources={"requests": {"example.com/g": "1"}}),
            f"{AT}.resources.limits: Required value: Limit must be set for non overcommitable resources",
        ),
        (
            container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
            f'{AT}.securityContext: Invalid value: "": cannot set `allowPrivilegeEscalation` to false and `privileged` '
            "to true",
        ),
        (
            container(securityContext={"runAsUser": -1}),
            f"{AT}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ),
        (pod(tolerations=[{"value": "x"}]), f'spec.tolerations[0].operator: Invalid value: "": {NO_KEY}'),
        (
            pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]),
            "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when "
            "`tolerationSeconds` is set",
        ),
        (
            terms(operator="In"),
            f"{TERM}.values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            terms(operator="Gt", values=["1", "2"]),
            f"{TERM}.values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
        ),
        (pod(dnsPolicy="None"), "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
        (
            pod(hostPID=True, shareProcessNamespace=True),
            "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot "
            "both be enabled",
        ),
        (
            pod(initContainers=[{"name": "i", "image": "x", "livenessProbe": {"tcpSocket": {"port": 80}}}]),
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always",
        ),
        (
            faults(Pod, {"metadata": {"name": "a", "finalizers": ["x"]}, "spec": {"containers": [{"name": "c"}]}}),
            'metadata.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully '
            "qualified",
        ),
        (
            faults(Service, {"spec": {"ports": [{"port": 80}], "externalIPs": ["127.0.0.1"]}}),
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ),
        (
            faults(Service, {"spec": {"ports": [{"port": 80}], "externalIPs": ["::ffff:127.0.0.1"]}}),
            'spec.externalIPs[0]: Invalid value: "::ffff:127.0.0.1": may not be in the loopback range (127.0.0.0/8, '
            "::1/128)",
        ),
        (
            faults(Service, {"spec": {"type": "LoadBalancer", "ports": [{"port": 10250}]}}),
            "spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet",
        ),
        (
            faults(ConfigMap, {"data": {"a": "b"}, "binaryData": {"a": "Yg=="}}),
            'data[a]: Invalid value: "a": duplicate of key present in binaryData',
        ),
        (faults(ConfigMap, {"data": {"a": "x" * 1048577}}), ": Too long: must have at most 1048576 bytes"),
        (faults(Secret, {"type": "kubernetes.io/tls"}), "data[tls.crt]: Required value"),
        (
            faults(Secret, {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}}),
            'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid JSON',
        ),
        (
            faults(Secret, {"type": "kubernetes.io/service-account-token"}),
            "metadata.annotations[kubernetes.io/service-account.name]: Required value",
        ),
        (
            faults(Endpoints, {"subsets": [{}]}),
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
        ),
        (
            faults(Event, {"involvedObject": {"namespace": "other"}}),
            'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
        ),
        (
            faults(Node, {"spec": {"podCIDR": "x"}}),
            'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
        ),
        (
            faults(PodDisruptionBudget, {"spec": {"minAvailable": "101%"}}),
            'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
        ),
    ],
)
def test_it_is_refused_in_the_same_words(found: list[str], said: str) -> None:
    assert said in found


def test_taints_are_unique_and_provisioners_are_names() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    (twice,) = faults(Node, {"spec": {"taints": [taint, taint]}})
    assert twice.endswith("taints must be unique by key and effect pair")
    (named,) = faults(StorageClass, {"provisioner": "a b"})
    assert named.startswith('provisioner: Invalid value: "a b": name part must consist of')


@pytest.mark.parametrize("kind", [ConfigMap, Secret])
def test_what_was_made_immutable_stays_as_it_is(kind: type[Object]) -> None:
    def item(**fields: Any) -> Object:
        return convert({"metadata": {"name": "a"}, "data": {"a": "Yg=="}, **fields}, kind)

    def changes(old: Object, new: Object) -> list[str]:
        return [str(error) for error in validate_update(new, old)]

    frozen, why = item(immutable=True), "Forbidden: field is immutable when `immutable` is set"
    assert changes(item(), item(immutable=True, data={"b": "Yg=="})) == []
    assert changes(frozen, item(immutable=True)) == []
    assert changes(frozen, item(immutable=True, data={"a": "Yw=="})) == [f"data: {why}"]
    assert changes(frozen, item()) == [f"immutable: {why}"]


ROLLING = {"maxUnavailable": 0, "maxSurge": 0}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
NEWER_EVENT = {
    "metadata": {"name": "a", "namespace": "default"},
    "eventTime": "2020-01-01T00:00:00.000000Z",
    "reportingComponent": "a.b/c",
    "reportingInstance": "i",
    "action": "a",
    "reason": "r",
}


@pytest.mark.parametrize(
    ("kind", "document", "fields"),
    [
        (Pod, {"spec": {"securityContext": {"fsGroupChangePolicy": ""}}}, ["spec.securityContext.fsGroupChangePolicy"]),
        (StorageClass, {"provisioner": "a/b", "volumeBindingMode": ""}, ["volumeBindingMode"]),
        (CSIDriver, {"spec": {"volumeLifecycleModes": ["Foo", "Ephemeral"]}}, ["spec.volumeLifecycleModes"]),
        (CSINode, {"spec": {"drivers": [{"name": "a b", "nodeID": "x"}]}}, ["spec.drivers[0].name"]),
        (
            CSINode,
            {"spec": {"drivers": [{"name": "A.b", "nodeID": "x", "topologyKeys": ["a", "-"]}]}},
            ["spec.drivers[0].topologyKeys[1]"],
        ),
        (Service, {"spec": {"ports": [{"port": 1, "appProtocol": "a b"}]}}, ["spec.ports[0].appProtocol"]),
        (PodTemplate, {}, ["template.spec.containers"]),
        (LimitRange, {}, []),
        (LimitRange, {"spec": {"limits": [{"type": "a/b/c"}]}}, ["spec.limits[0].type"]),
        (
            DaemonSet,
            {
                "spec": {
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": TEMPLATE,
                    "updateStrategy": {"rollingUpdate": ROLLING},
                }
            },
            ["spec.updateStrategy.rollingUpdate.maxUnavailable"],
        ),
        (
            ConfigMap,
            {
                "metadata": {
                    "name": "a",
                    "ownerReferences": [{"apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "u"}],
                }
            },
            ["metadata.ownerReferences.apiVersion"],
        ),
        (Event, {"metadata": {"name": "A_b"}}, []),
        (Event, NEWER_EVENT, []),
        (Event, {**NEWER_EVENT, "involvedObject": {"namespace": "other"}}, []),
        (Event, {**NEWER_EVENT, "action": "", "reportingComponent": ""}, ["action", "reportingController"]),
        (Event, {**NEWER_EVENT, "metadata": {"name": "a", "namespace": "n"}}, ["involvedObject.namespace"]),
    ],
)
def test_what_a_field_may_hold(kind: type[Object], document: dict[str, Any], fields: list[str]) -> None:
    if kind is Pod:
        document = {"spec": {"containers": [{"name": "c", "image": "x"}], **document["spec"]}}
    assert [fault.partition(": ")[0] for fault in faults(kind, document)] == fields


def test_what_everybody_writes_is_judged_though_empty() -> None:
    assert faults(Service, {"spec": {"ports": [{}]}}) == [
        "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"
    ]
    assert pod(topologySpreadConstraints=[{"maxSkew": 1}]) == [
        "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
        'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "": supported values: '
        '"DoNotSchedule", "ScheduleAnyway"',
    ]


def test_a_limit_range_compares_as_kubernetes_does() -> None:
    def said(**item: Any) -> list[str]:
        return faults(LimitRange, {"spec": {"limits": [{"type": "foo.com/Bar", **item}]}})

    ratio = 'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "2": ratio 2 is greater than max/min = '
    assert said(max={"cpu": "1"}, min={"cpu": "1"}, maxLimitRequestRatio={"cpu": "2"}) == [f"{ratio}1.000000"]
    assert said(max={"cpu": "1"}, min={"cpu": "-1"}, maxLimitRequestRatio={"cpu": "2"}) == [f"{ratio}-1.000000"]
    assert said(max={"cpu": "1"}, min={"cpu": "0"}, maxLimitRequestRatio={"cpu": "2"}) == []
    assert said(default={"a.b/c": "2"}, defaultRequest={"a.b/c": "1"}) == [
        'spec.limits[0].defaultRequest[a.b/c]: Invalid value: "1": default value 2 must equal to defaultRequest '
        "value 1 in a.b/c"
    ]
    assert said(default={"cpu": "2"}, defaultRequest={"cpu": "1"}) == []
