"""Bodies with nulls in lists, maps and fields, to both API servers: the same object, or the same refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.doors import Api
from tests.peers.alike import NAMESPACE, causes, differences, taking_pods

pytestmark = pytest.mark.peer

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"


def pod(**spec: Any) -> tuple[str, Any]:
    return f"{NAMESPACE}/pods", {"metadata": {"name": "n"}, "spec": {"containers": [container()]} | spec}


def container(**more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "x"} | more


def named(plural: str, **more: Any) -> tuple[str, Any]:
    return f"{NAMESPACE}/{plural}", {"metadata": {"name": "n"}} | more


CASES: list[tuple[str, Any]] = [
    pod(containers=[None]),
    *(pod(**{name: [None]}) for name in ("volumes", "tolerations", "imagePullSecrets", "initContainers")),
    *(pod(containers=[container(**{name: [None]})]) for name in ("args", "command", "env", "ports")),
    pod(containers=[container(env=[{"name": "A", "value": None}])]),
    pod(containers=[container(resources={"limits": {"cpu": None}})]),
    pod(nodeSelector={"a": None}),
    pod(securityContext={"supplementalGroups": [None]}),
    pod(securityContext=None),
    named("pods", spec=None),
    named("configmaps", data={"a": None}, binaryData={"b": None}),
    named("configmaps", data=None, immutable=None),
    named("secrets", data={"a": None}, stringData={"b": None}),
    named("services", spec={"ports": [{"port": 1}], "externalIPs": [None], "clusterIP": "None"}),
    named("endpoints", subsets=[None]),
    named("resourcequotas", spec={"hard": {"cpu": None}}),
    named("limitranges", spec={"limits": [{"type": "Container", "max": {"cpu": None}}]}),
    (ROLES, {"metadata": {"name": "n"}, "rules": [None]}),
    (ROLES, {"metadata": {"name": "n"}, "rules": [{"verbs": [None], "resources": ["x"], "apiGroups": [None]}]}),
    (f"{NAMESPACE}/configmaps", {"metadata": {"name": "n", "labels": {"a": None}, "annotations": {"b": None}}}),
    (f"{NAMESPACE}/configmaps", {"metadata": None}),
    (f"{NAMESPACE}/configmaps", None),
]


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    return taking_pods(our_api), taking_pods(their_api)


@pytest.mark.parametrize(("path", "body"), CASES, ids=lambda value: json.dumps(value)[-60:])
def test_both_read_it_as_the_same(both: tuple[Api, Api], path: str, body: Any) -> None:
    sent = {"data": json.dumps(body), "headers": {"Content-Type": "application/json"}}
    ours, theirs = (api.call("POST", f"{path}?dryRun=All", **sent) for api in both)
    assert ours.status_code == theirs.status_code, (ours.text, theirs.text)
    assert causes(ours) == causes(theirs)
    if ours.ok:
        found = differences(ours.json(), theirs.json())
        assert not {at: values for at, values in found.items() if not at.startswith((".spec.ipFamil", ".spec.intern"))}
