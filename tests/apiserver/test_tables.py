"""The columns of kubectl get, for each kind, as Kubernetes shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.codec import convert
from api.coordination import Lease
from api.core import ConfigMap, Endpoints, Event, Namespace, Node, Pod, ReplicationController, Secret, Service
from api.discovery import EndpointSlice
from api.meta import Object
from api.resources import RESOURCES
from master.apiserver.tables import shape_of
from master.apiserver.tables.cells import human_duration

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def _at(seconds_ago: int) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(kind: type[Object], body: dict[str, Any]) -> list[Any]:
    meta = {"name": "x", "creationTimestamp": _at(300)} | body.get("metadata", {})
    shape = shape_of(kind)
    cells = shape.cells(convert({**body, "metadata": meta}, kind), NOW)
    assert len(cells) == len(shape.columns)
    return cells


def _headers(kind: type[Object]) -> str:
    return " ".join(f"{column.name.upper()}{'*' * column.priority}" for column in shape_of(kind).columns)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_000, "3h3m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (180_000, "2d2h"),
        (691_200, "8d"),
        (62_899_200, "728d"),
        (63_072_000, "2y"),
        (70_000_000, "2y80d"),
        (300_000_000, "9y"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: int, text: str) -> None:
    assert human_duration(seconds) == text


def test_the_columns_of_each_kind() -> None:
    assert {kind.__name__: _headers(kind) for kind in _SHOWN} == _COLUMNS


_SHOWN: tuple[type[Object], ...] = (
    Pod,
    ReplicationController,
    Service,
    Endpoints,
    EndpointSlice,
    Node,
    Namespace,
    Event,
    ConfigMap,
    Secret,
    Lease,
)
_COLUMNS = {
    "Pod": "NAME READY STATUS RESTARTS AGE IP* NODE* NOMINATED NODE* READINESS GATES*",
    "ReplicationController": "NAME DESIRED CURRENT READY AGE CONTAINERS* IMAGES* SELECTOR*",
    "Service": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR*",
    "Endpoints": "NAME ENDPOINTS AGE",
    "EndpointSlice": "NAME ADDRESSTYPE PORTS ENDPOINTS AGE",
    "Node": "NAME STATUS ROLES AGE VERSION INTERNAL-IP* EXTERNAL-IP* OS-IMAGE* KERNEL-VERSION* CONTAINER-RUNTIME*",
    "Namespace": "NAME STATUS AGE",
    "Event": "LAST SEEN TYPE REASON OBJECT SUBOBJECT* SOURCE* MESSAGE FIRST SEEN* COUNT* NAME*",
    "ConfigMap": "NAME DATA AGE",
    "Secret": "NAME TYPE DATA AGE",
    "Lease": "NAME HOLDER AGE",
}


def test_every_kind_that_is_served_can_be_shown() -> None:
    for resource in RESOURCES:
        _row(resource.type, {})


def _status(name: str = "c", *, ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


RUNNING = {"running": {"startedAt": _at(60)}}
SPEC = {"containers": [{"name": "c"}]}


@pytest.mark.parametrize(
    ("pod", "cells"),
    [
        ({"status": {"phase": "Pending"}}, ["0/1", "Pending", "0"]),
        (
            {"status": {"phase": "Running", "containerStatuses": [_status(ready=True, **RUNNING)]}},
            ["1/1", "Running", "0"],
        ),
        (
            {"status": {"phase": "Pending", "containerStatuses": [_status(waiting={"reason": "ImagePullBackOff"})]}},
            ["0/1", "ImagePullBackOff", "0"],
        ),
        (
            {
                "status": {
                    "phase": "Running",
                    "containerStatuses": [
                        _status(restarts=1, waiting={"reason": "CrashLoopBackOff"})
                        | {"lastState": {"terminated": {"exitCode": 1, "finishedAt": _at(5)}}}
                    ],
                }
            },
            ["0/1", "CrashLoopBackOff", "1 (5s ago)"],
        ),
        (
            {
                "status": {
                    "phase": "Succeeded",
                    "containerStatuses": [_status(terminated={"exitCode": 0, "reason": "Completed"})],
                }
            },
            ["0/1", "Completed", "0"],
        ),
        (
            {"status": {"phase": "Failed", "containerStatuses": [_status(terminated={"exitCode": 7})]}},
            ["0/1", "ExitCode:7", "0"],
        ),
        (
            {"status": {"phase": "Failed", "containerStatuses": [_status(terminated={"exitCode": 137, "signal": 9})]}},
            ["0/1", "Signal:9", "0"],
        ),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, ["0/1", "Evicted", "0"]),
        (
            {
                "metadata": {"deletionTimestamp": _at(1)},
                "status": {"phase": "Running", "containerStatuses": [_status(ready=True, **RUNNING)]},
            },
            ["1/1", "Terminating", "0"],
        ),
        (
            {"metadata": {"deletionTimestamp": _at(1)}, "status": {"phase": "Running", "reason": "NodeLost"}},
            ["0/1", "Unknown", "0"],
        ),
    ],
)
def test_the_state_of_a_pod(pod: dict[str, Any], cells: list[str]) -> None:
    assert _row(Pod, {"spec": SPEC, **pod})[1:4] == cells


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        ([_status("a", running={})], "Init:0/2"),
        ([_status("a", terminated={"exitCode": 0}), _status("b", running={})], "Init:1/2"),
        ([_status("a", terminated={"exitCode": 1, "reason": "Error"})], "Init:Error"),
        ([_status("a", terminated={"exitCode": 3})], "Init:ExitCode:3"),
        ([_status("a", waiting={"reason": "CrashLoopBackOff"})], "Init:CrashLoopBackOff"),
        ([_status("a", waiting={"reason": "PodInitializing"})], "Init:0/2"),
        ([_status("a", terminated={"exitCode": 0}), _status("b", terminated={"exitCode": 0})], "PodInitializing"),
    ],
)
def test_the_state_of_a_pod_that_initializes(statuses: list[dict[str, Any]], reason: str) -> None:
    spec = {**SPEC, "initContainers": [{"name": "a"}, {"name": "b"}]}
    status = {
        "phase": "Pending",
        "initContainerStatuses": statuses,
        "containerStatuses": [_status(waiting={"reason": "PodInitializing"})],
    }
    assert _row(Pod, {"spec": spec, "status": status})[2] == reason


def test_a_sidecar_counts_with_the_containers() -> None:
    spec = {**SPEC, "initContainers": [{"name": "side", "restartPolicy": "Always"}]}
    side = _status("side", ready=True, restarts=2, **RUNNING) | {"started": True}
    status = {
        "phase": "Running",
        "initContainerStatuses": [side],
        "containerStatuses": [_status(ready=True, restarts=1, **RUNNING)],
    }
    assert _row(Pod, {"spec": spec, "status": status})[1:4] == ["2/2", "Running", "3"]


def test_a_pod_whose_one_container_has_ended_still_runs() -> None:
    spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    statuses = [_status("a", terminated={"exitCode": 0, "reason": "Completed"}), _status("b", ready=True, **RUNNING)]
    status: dict[str, Any] = {"phase": "Running", "containerStatuses": statuses}
    assert _row(Pod, {"spec": spec, "status": status})[1:3] == ["1/2", "NotReady"]
    status["conditions"] = [{"type": "Ready", "status": "True"}]
    assert _row(Pod, {"spec": spec, "status": status})[2] == "Running"


def test_the_wide_cells_of_a_pod() -> None:
    spec = {**SPEC, "nodeName": "n1", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "a", "status": "True"}]}
    assert _row(Pod, {"spec": spec, "status": status})[4:] == ["5m", "10.0.0.1", "n1", "<none>", "1/2"]
    assert _row(Pod, {"spec": SPEC})[5:] == ["<none>"] * 4


def test_services_and_what_is_behind_them() -> None:
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 443, "nodePort": 30001, "protocol": "TCP"}]
    node_port = {"type": "NodePort", "clusterIP": "10.96.0.9", "ports": ports, "selector": {"b": "2", "a": "1"}}
    assert _row(Service, {"spec": node_port}) == [
        "x",
        "NodePort",
        "10.96.0.9",
        "<none>",
        "80/TCP,443:30001/TCP",
        "5m",
        "a=1,b=2",
    ]
    assert _row(Service, {"spec": {"type": "LoadBalancer"}})[3] == "<pending>"
    assert _row(Service, {"spec": {"type": "ExternalName", "externalName": "a.b"}})[2:5] == ["<none>", "a.b", "<none>"]
    subset = {"addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)], "ports": [{"port": 80}]}
    assert _row(Endpoints, {"subsets": [subset]})[1] == "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."
    assert _row(Endpoints, {})[1] == "<none>"
    piece = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}, {}]}
    assert _row(EndpointSlice, piece)[1:4] == ["IPv4", "80,*", "10.0.0.1"]
    assert _row(EndpointSlice, {"addressType": "IPv4"})[2:4] == ["<unset>", "<unset>"]


def test_nodes() -> None:
    labels = {"node-role.kubernetes.io/master": "", "node-role.kubernetes.io/infra": ""}
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "nodeInfo": {
            "kubeletVersion": "v1",
            "osImage": "Debian",
            "kernelVersion": "6.1",
            "containerRuntimeVersion": "d",
        },
    }
    body = {"metadata": {"labels": labels}, "spec": {"unschedulable": True}, "status": status}
    assert _row(Node, body)[1:] == [
        "Ready,SchedulingDisabled",
        "infra,master",
        "5m",
        "v1",
        "10.0.0.1",
        "<none>",
        "Debian",
        "6.1",
        "d",
    ]
    assert _row(Node, {})[1:3] == ["Unknown", "<none>"]


def test_events_controllers_leases_and_the_rest() -> None:
    event = {
        "type": "Warning",
        "reason": "Failed",
        "message": " no \n",
        "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": _at(60),
        "lastTimestamp": _at(5),
    }
    assert _row(Event, event) == [
        "5s",
        "Warning",
        "Failed",
        "pod/p",
        "spec.containers{c}",
        "kubelet, n1",
        "no",
        "60s",
        3,
        "x",
    ]
    newer = {"eventTime": "2026-01-01T11:59:00.000000Z", "reportingComponent": "a", "series": {"count": 9}}
    assert _row(Event, newer)[0::8] == ["60s", 9]
    template = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}}
    controller = {
        "spec": {"replicas": 3, "selector": {"app": "x"}, "template": template},
        "status": {"replicas": 2, "readyReplicas": 1},
    }
    assert _row(ReplicationController, controller)[1:] == [3, 2, 1, "5m", "a,b", "i:1,j:2", "app=x"]
    assert _row(Lease, {"spec": {"holderIdentity": "me"}})[1] == "me"
    assert _row(Secret, {"type": "Opaque", "data": {"a": "YQ=="}})[1:3] == ["Opaque", 1]
    assert _row(ConfigMap, {"data": {"a": "b"}, "binaryData": {"c": "YQ=="}})[1] == 2
    assert _row(Namespace, {"status": {"phase": "Active"}})[1] == "Active"
