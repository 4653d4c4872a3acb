"""What is said of a pod as a whole (``spec.resources``) bounds its containers, in the words of Kubernetes 1.34."""

from typing import Any

import pytest

from api.codec import convert
from api.core import Pod
from api.defaulting import apply
from api.validation import validate_create

MORE = "must be greater than or equal to aggregate container"
Part = dict[str, str]


def faults(containers: list[dict[str, Part]], *, os: str = "linux", **whole: Part) -> list[str]:
    made = [{"name": f"c{number}", "image": "x", "resources": one} for number, one in enumerate(containers)]
    spec: dict[str, Any] = {"containers": made, "resources": whole, "os": {"name": os}}
    pod = convert({"metadata": {"name": "a", "namespace": "n"}, "spec": spec}, Pod)
    apply(pod)
    return [str(error) for error in validate_create(pod)]


def test_containers_that_fit_are_taken() -> None:
    ask = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}
    assert faults([ask, ask], requests={"cpu": "2", "memory": "2Gi"}, limits={"cpu": "2"}) == []
    assert faults([ask, ask], limits={"cpu": "3"}) == [], "containers may have more than the whole, together"
    pages = {"hugepages-2Mi": "4Mi"}
    assert faults([{"limits": pages | {"cpu": "1"}}], limits=pages | {"cpu": "1"}) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            faults([{"requests": {"cpu": "1"}}, {"requests": {"cpu": "500m"}}], requests={"cpu": "1"}),
            f'spec.resources.requests[cpu]: Invalid value: "1": {MORE} requests of 1500m',
        ),
        (
            faults([{"limits": {"cpu": "2"}}], requests={"cpu": "2"}, limits={"cpu": "1"}),
            'spec.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            faults([{}, {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}], limits={"cpu": "1"}),
            'spec.resources.containers[1][cpu].limits: Invalid value: "2": '
            "must be less than or equal to pod limits of 1",
        ),
        (
            faults([{"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}}], limits={"hugepages-2Mi": "2Mi", "cpu": "1"}),
            f'spec.resources.limits[hugepages-2Mi]: Invalid value: "2Mi": {MORE} limits of 4Mi',
        ),
        (
            faults([{"requests": {"memory": "2Gi"}}, {"requests": {"memory": "4Gi"}}], requests={"memory": "576Mi"}),
            f'spec.resources.requests[memory]: Invalid value: "576Mi": {MORE} requests of 6Gi',
        ),
        (
            faults([{}], requests={"memory": "-1"}),
            'spec.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (
            faults([{}], limits={"hugepages-2Mi": "2Mi"}),
            "spec.resources: Forbidden: HugePages require cpu or memory",
        ),
        (
            faults([{"limits": {"hugepages-2Mi": "2Mi"}}]),
            "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
        ),
        (
            faults([{"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}, "requests": {"hugepages-2Mi": "2Mi"}}]),
            'spec.containers[0].resources.requests: Invalid value: "2Mi": must be equal to hugepages-2Mi limit of 4Mi',
        ),
        (
            faults([{}], os="windows", limits={"cpu": "1"}),
            "spec.resources: Forbidden: may not be set for a windows pod",
        ),
        *(
            (
                faults([{}], requests={name: "1"}, limits={name: "1"}),
                f'spec.resources.requests[{name}]: Unsupported value: "{name}": '
                'supported values: "cpu", "hugepages-", "memory"',
            )
            for name in ("ephemeral-storage", "a.b/c", "cpus")
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_kubernetes_words(found: list[str], said: str) -> None:
    assert said in found
