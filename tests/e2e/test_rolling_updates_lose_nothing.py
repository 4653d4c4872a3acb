"""A rolling update under load, of pods that exit at once on TERM: every request is answered, by the old or the new."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.clusters import Cluster, clean_environment
from tests.e2e.doors import Api, Kubectl, Object, is_ready
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster
STEER = Path(sys.executable).with_name("steer")

# busybox's httpd in the foreground has no handler for TERM but the default one: as a child of the shell it dies at
# once, and the shell, which waits for it, with it.
SERVER = "mkdir /www; echo $GENERATION > /www/index.html; trap 'kill $!; exit 0' TERM; httpd -f -p 8080 -h /www & wait"


def template(generation: str, labels: dict[str, str]) -> Object:
    container = {
        "name": "main",
        "image": TEST_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVER],
        "env": [{"name": "GENERATION", "value": generation}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    return {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 10, "containers": [container]}}


def deployment(generation: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rolling"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "rolling"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template(generation, {"app": "rolling"}),
        },
    }


def controller(generation: str) -> Object:
    labels = {"app": "rolling", "generation": generation}
    spec = {"replicas": 3, "selector": labels, "template": template(generation, labels)}
    metadata = {"name": f"rolling-{generation}"}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": metadata, "spec": spec}


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
def door(kubectl: Kubectl, cluster: Cluster, namespace: str, node_address: str) -> tuple[str, int]:
    """A node port that leads to all generations."""
    port = cluster.slot.node_ports[2]
    spec = {"type": "NodePort", "selector": {"app": "rolling"}, "ports": [{"port": 8080, "nodePort": port}]}
    kubectl.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "rolling"}, "spec": spec}, namespace=namespace
    )
    return node_address, port


def is_served(address: str, port: int) -> bool:
    with Load(address, port, clients=1) as one:
        until(lambda: one.answers or one.failures, limit_s=30)
    return not one.failures


def test_not_one_request_fails_while_all_pods_are_replaced(
    door: tuple[str, int], kubectl: Kubectl, namespace: str, figures: dict[str, str]
) -> None:
    address, port = door
    kubectl.create(deployment("first"), namespace=namespace)
    kubectl("-n", namespace, "rollout", "status", "deployment/rolling", "--timeout=60s")
    until(lambda: is_served(address, port), limit_s=60, what="the first generation")
    with Load(address, port) as load:
        until(lambda: load.answers["200 first"] > 100, limit_s=60)
        kubectl("-n", namespace, "set", "env", "deployment/rolling", "GENERATION=second")
        kubectl("-n", namespace, "rollout", "status", "deployment/rolling", "--timeout=60s")
        seen = load.answers["200 first"]
        until(lambda: load.answers["200 second"] > 500, limit_s=60)
    figures["requests during a rolling update"] = str(load.answers.total())
    assert load.failures == []
    assert set(load.answers) == {"200 first", "200 second"}, seen


def test_a_rolling_update_of_steer_loses_no_request(
    door: tuple[str, int], kubectl: Kubectl, api: Api, cluster: Cluster, namespace: str, tmp_path: Path,
    figures: dict[str, str],
) -> None:  # fmt: skip
    address, port = door
    kubectl.create(controller("first"), namespace=namespace)
    until(lambda: sum(map(is_ready, api.items("pods", namespace))) == 3, limit_s=60, what="three pods")
    until(lambda: is_served(address, port), limit_s=60, what="the first generation")
    new = tmp_path / "second.json"
    new.write_text(json.dumps(controller("second")))
    words = ["rolling-update", "rolling-first", "-f", str(new), "--update-period=0s", "--poll-interval=200ms"]
    environment = clean_environment(KUBECONFIG=str(cluster.kubeconfig), HOME=str(tmp_path))
    with Load(address, port) as load:
        until(lambda: load.answers["200 first"] > 100, limit_s=60)
        done = subprocess.run(
            [STEER, "-n", namespace, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        until(lambda: load.answers["200 second"] > 500, limit_s=60)
    assert done.returncode == 0, done.stdout + done.stderr
    figures["requests during steer rolling-update"] = str(load.answers.total())
    assert load.failures == []
    assert set(load.answers) == {"200 first", "200 second"}
    assert [one["metadata"]["name"] for one in api.items("replicationcontrollers", namespace)] == ["rolling-second"]
