"""LimitRange: defaults and bounds."""

from collections.abc import Callable
from typing import Any

import pytest
from tests_apiserver import Api, pod


def limit(api: Api, namespace: str, **item: Any) -> Any:
    body = {"metadata": {"generateName": "l-"}, "spec": {"limits": [item]}}
    made = api.post(f"/api/v1/namespaces/{namespace}/limitranges", body)
    assert made.status == 201, made.data
    return made.json["spec"]["limits"][0]


def with_resources(name: str, **resources: Any) -> dict[str, Any]:
    return pod(name, containers=[{"name": "c", "image": "pause:1", "resources": resources}])


def test_a_container_gets_the_defaults_of_its_namespace(admin: Api, namespace: str) -> None:
    limit(admin, namespace, type="Container", default={"cpu": "500m", "memory": "64Mi"}, defaultRequest={"cpu": "100m"})
    made = admin.post(f"/api/v1/namespaces/{namespace}/pods", pod("a")).json
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "64Mi"},
        "requests": {"cpu": "100m", "memory": "64Mi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c"
    )
    assert made["status"]["qosClass"] == "Burstable"
    own = admin.post(f"/api/v1/namespaces/{namespace}/pods", with_resources("b", limits={"cpu": "1"})).json
    assert own["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "64Mi"}


def test_a_limit_range_completes_itself_from_its_bounds(admin: Api, namespace: str) -> None:
    item = limit(admin, namespace, type="Container", max={"cpu": "2"}, min={"memory": "4Mi"})
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"cpu": "2", "memory": "4Mi"}


@pytest.mark.parametrize(
    ("item", "resources", "message"),
    [
        (
            {"type": "Container", "max": {"cpu": "1"}},
            {"limits": {"cpu": "2"}},
            "maximum cpu usage per Container is 1, but limit is 2",
        ),
        (
            {"type": "Container", "min": {"memory": "64Mi"}},
            {"requests": {"memory": "32Mi"}},
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
        ),
        ({"type": "Pod", "max": {"cpu": "1"}}, {}, "maximum cpu usage per Pod is 1.  No limit is specified"),
        ({"type": "Pod", "min": {"cpu": "1"}}, {}, "minimum cpu usage per Pod is 1.  No request is specified"),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
    ],
)
def test_a_pod_out_of_bounds_is_refused(
    admin: Api, namespace: str, item: dict[str, Any], resources: dict[str, Any], message: str
) -> None:
    limit(admin, namespace, **item)
    refused = admin.post(f"/api/v1/namespaces/{namespace}/pods", with_resources("a", **resources))
    assert refused.status == 403
    assert refused.json["message"] == f'pods "a" is forbidden: {message}'


def test_all_faults_are_named_at_once(admin: Api, namespace: str) -> None:
    limit(admin, namespace, type="Pod", max={"cpu": "1", "memory": "1Gi"})
    refused = admin.post(
        f"/api/v1/namespaces/{namespace}/pods", with_resources("a", limits={"cpu": "2", "memory": "2Gi"})
    )
    assert refused.json["message"].endswith(
        "[maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but limit is 2Gi]"
    )


def test_a_claim_asks_within_bounds(admin: Api, namespace: str) -> None:
    limit(admin, namespace, type="PersistentVolumeClaim", max={"storage": "1Gi"})
    claim = {
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    refused = admin.post(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)
    assert refused.status == 403
    assert "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi" in refused.json["message"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}], "min value 2 is greater than max value 1"),
        (
            [{"type": "Container", "defaultRequest": {"cpu": "2"}, "default": {"cpu": "1"}}],
            "default request value 2 is greater than default limit value 1",
        ),
        ([{"type": "Pod", "default": {"cpu": "1"}}], "may not be specified when `type` is 'Pod'"),
        ([{"type": "Pod"}, {"type": "Pod"}], 'spec.limits[1].type: Duplicate value: "Pod"'),
        ([{}], "spec.limits[0].type: Required value"),
    ],
)
def test_a_limit_range_that_contradicts_itself_is_refused(
    admin: Api, namespace: str, items: list[dict[str, Any]], message: str
) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"limits": items}}
    refused = admin.post(f"/api/v1/namespaces/{namespace}/limitranges", body)
    assert refused.status == 422
    assert message in refused.json["message"]


def test_kubectl_describes_the_bounds(kubectl: Callable[..., Any], admin: Api, namespace: str) -> None:
    limit(admin, namespace, type="Container", max={"cpu": "1"})
    shown = kubectl("describe", "limitranges").stdout
    assert shown.splitlines()[-1].split()[:2] == ["Container", "cpu"]
    assert kubectl("get", "limits").stdout.splitlines()[0].split() == ["NAME", "CREATED", "AT"]
