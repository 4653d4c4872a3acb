"""`steer top` with its orders, sums and field selectors: the same words, the same answers as kubectl's.

The agent of the node is played by the test. The pods use amounts far apart, so that an order does not hang on a moment.
"""

import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
from both import Both
from played_agent import PlayedAgent, agent_that, node_at
from tests_apiserver import Api, pod

from master import pki
from tests.e2e.waiting import until

# Pod, container, cores, MiB: who uses most of one uses least of the other, in pods as in containers.
USED = (("a", "app", 0.1, 300), ("a", "side", 0.2, 20), ("b", "app", 0.9, 16), ("c", "app", 0.5, 64))
SAME = """
top pods
top pods --sort-by=cpu
top pods --sort-by=memory
top pods --sort-by=x
top pods --sum
top pods --sum --sort-by=memory --no-headers
top pods --sum --containers
top pods --containers --sort-by=cpu
top pods --containers --sort-by=memory
top pods --field-selector=metadata.name=b
top pods --field-selector=metadata.name!=b --sum
top pods --field-selector=metadata.name=nosuch
top pods --field-selector=spec.nodeName=x
top pods --field-selector=spec.nodeName=node-of-top
top pods -A --field-selector=spec.nodeName=x
top pods -A --field-selector=metadata.namespace=NAMESPACE
top pods -A --sum --field-selector=metadata.namespace=NAMESPACE
top pods -A --containers --sum --field-selector=metadata.namespace=NAMESPACE
top pods -l app=c --sum
top pods -l app=nosuch
top pods -l app=nosuch --sum
top pod b
top pod b --sum
top pod b --field-selector=metadata.name=b
top pod b -l app=b
top pod nosuch
top nodes --sort-by=cpu
top nodes --sort-by=memory
top nodes --sort-by=x
top nodes -l nosuch=x
top node node-of-top -l a=b
top node nosuch
"""


class _Agent(PlayedAgent):
    namespaces: ClassVar[tuple[str, ...]] = ()

    def lines(self) -> list[str]:
        now = time.time()
        at = f"{now * 1000:.0f}"
        lines = [f"node_cpu_usage_seconds_total {now * 0.75} {at}", f"node_memory_working_set_bytes {2**30} {at}"]
        for space in self.namespaces:
            for name, container, cores, mebibytes in USED:
                labels = f'{{container="{container}",namespace="{space}",pod="{name}"}}'
                lines.append(f"container_cpu_usage_seconds_total{labels} {now * cores} {at}")
                lines.append(f"container_memory_working_set_bytes{labels} {mebibytes * 2**20} {at}")
        return lines


@pytest.fixture
def used(admin: Api, certificates: pki.Pki, loosely: Both) -> Iterator[Both]:
    """The same pods in either namespace, on a node that answers for them."""
    _Agent.namespaces = loosely.spaces
    name, holds = "node-of-top", {"cpu": "4", "memory": "4Gi"}
    with agent_that(_Agent, certificates) as port:
        assert admin.post("/api/v1/nodes", node_at(port, name, allocatable=holds, capacity=holds)).status == 201
        for space in loosely.spaces:
            for one in dict.fromkeys(used[0] for used in USED):
                made = pod(one, nodeName=name)
                made["spec"]["containers"] = [{"name": used[1], "image": "i"} for used in USED if used[0] == one]
                assert admin.post(f"/api/v1/namespaces/{space}/pods", made).status == 201
        for space in loosely.spaces:
            listed = f"/apis/metrics.k8s.io/v1beta1/namespaces/{space}/pods"
            until(lambda listed=listed: len(admin.get(listed).json["items"]) == 3, limit_s=60)
        yield loosely
        admin.delete(f"/api/v1/nodes/{name}")


def test_orders_sums_and_selections_of_usage(used: Both) -> None:
    used.same(SAME.strip().splitlines())
    names = [line.split()[0] for line in used.steer("top", "pods", "--sort-by=memory", "--no-headers")[0].splitlines()]
    assert names == ["a", "c", "b"]
