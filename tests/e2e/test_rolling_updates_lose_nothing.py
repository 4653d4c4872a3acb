"""A rolling update under load, of pods that exit at once on TERM: every request is answered, by the old or the new."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster

# busybox's httpd in the foreground has no handler for TERM but the default one: as a child of the shell it dies at
# once, and the shell, which waits for it, with it.
SERVER = "mkdir /www; echo $GENERATION > /www/index.html; trap 'kill $!; exit 0' TERM; httpd -f -p 8080 -h /www & wait"


def deployment(generation: str) -> Object:
    container = {
        "name": "main",
        "image": TEST_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVER],
        "env": [{"name": "GENERATION", "value": generation}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rolling"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "rolling"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": "rolling"}},
                "spec": {"terminationGracePeriodSeconds": 10, "containers": [container]},
            },
        },
    }


class Load:
    """Clients that ask one after the other, each time on a connection of their own, and count what they are told."""

    def __init__(self, address: str, port: int, clients: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._address, self._port = address, port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, name=f"load-{n}") for n in range(clients)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            begin = time.monotonic()
            connection = http.client.HTTPConnection(self._address, self._port, timeout=30)
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                self.answers[f"{answer.status} {answer.read().decode().strip()}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{error!r} after {time.monotonic() - begin:.3f} s")
            finally:
                connection.close()
            time.sleep(0.005)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def served(kubectl: Kubectl, api: Api, cluster: Cluster, namespace: str, node_address: str) -> tuple[str, int]:
    """Three pods of the first generation behind a node port."""
    port = cluster.slot.node_ports[2]
    spec = {"type": "NodePort", "selector": {"app": "rolling"}, "ports": [{"port": 8080, "nodePort": port}]}
    kubectl.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "rolling"}, "spec": spec}, namespace=namespace
    )
    kubectl.create(deployment("first"), namespace=namespace)
    kubectl("-n", namespace, "rollout", "status", "deployment/rolling", "--timeout=60s")
    return node_address, port


def test_not_one_request_fails_while_all_pods_are_replaced(
    served: tuple[str, int], kubectl: Kubectl, namespace: str, figures: dict[str, str]
) -> None:
    address, port = served

    def is_served() -> bool:
        with Load(address, port, clients=1) as one:
            until(lambda: one.answers or one.failures, limit_s=30)
        return not one.failures

    until(is_served, limit_s=60, what="the first generation")
    with Load(address, port) as load:
        until(lambda: load.answers["200 first"] > 100, limit_s=60)
        kubectl("-n", namespace, "set", "env", "deployment/rolling", "GENERATION=second")
        kubectl("-n", namespace, "rollout", "status", "deployment/rolling", "--timeout=60s")
        seen = load.answers["200 first"]
        until(lambda: load.answers["200 second"] > 500, limit_s=60)
    figures["requests during a rolling update"] = str(load.answers.total())
    assert load.failures == []
    assert set(load.answers) == {"200 first", "200 second"}, seen
