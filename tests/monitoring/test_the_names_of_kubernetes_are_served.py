"""Every daemon of a running cluster tells what dashboards made for Kubernetes ask it for, name by name."""

from __future__ import annotations

import re
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Kubectl, Object
from tests.e2e.pods import pod, service
from tests.e2e.waiting import until
from tests.monitoring import kubernetes_names as names
from tests.monitoring.kubernetes_names import Name

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
LIMIT_S = 90.0
CLAIM = "kept"
Scrapes = dict[str, Callable[[], str]]
Series = dict[tuple[tuple[str, str], ...], float]


def at_work(volume: Path) -> list[Object]:
    """What gives every figure something to tell: a service's ready pod with a claim, a secret and a probe."""
    size, modes = {"storage": "1Mi"}, ["ReadWriteOnce"]
    claim = {"accessModes": modes, "resources": {"requests": size}, "storageClassName": ""}
    volumes: list[Object] = [
        {"name": "kept", "persistentVolumeClaim": {"claimName": CLAIM}},
        {"name": "secret", "secret": {"secretName": "names"}},
    ]
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "names"}, "stringData": {"a": "b"}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "names"},
            "spec": {"capacity": size, "accessModes": modes, "hostPath": {"path": str(volume)}},
        },
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": claim},
        service("names", 80),
        pod("names", volumes=volumes, volumeMounts=mounts, readinessProbe=probe),
    ]


@pytest.fixture(scope="module")
def scrapes(
    cluster: Cluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory, look_up: Callable[[], object]
) -> Scrapes:
    look_up()
    kubectl.create(*at_work(tmp_path_factory.mktemp("volume")))
    node, first = f"/api/v1/nodes/node-{cluster.slot.number}/proxy", cluster.slot.first_port

    def through_master(path: str) -> Callable[[], str]:
        return lambda: kubectl("get", "--raw", path)

    def on_this_host(port: int) -> Callable[[], str]:
        def text() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        return text

    return {
        "apiserver": through_master("/metrics"),
        "controllers": on_this_host(first + 4),
        "scheduler": on_this_host(first + 5),
        "proxy": on_this_host(cluster.netproxy_port),
        "names": on_this_host(first + 6),
        "agent": through_master(f"{node}/metrics"),
        "agent's resources": through_master(f"{node}/metrics/resource"),
        "agent's probes": through_master(f"{node}/metrics/probes"),
    }


@pytest.mark.parametrize(
    ("who", "wanted"),
    [
        ("apiserver", names.APISERVER),
        ("controllers", names.CONTROLLERS),
        ("scheduler", names.SCHEDULER),
        ("proxy", names.PROXY),
        ("names", names.COREDNS),
        ("agent", names.KUBELET),
        ("agent's resources", names.RESOURCE),
        ("agent's probes", names.PROBES),
    ],
)
def test_every_name_is_told_as_kubernetes_tells_it(scrapes: Scrapes, who: str, wanted: Iterable[Name]) -> None:
    said: list[str] = []

    def all_told() -> bool:
        said[:] = faults(scrapes[who](), wanted)
        return not said

    try:
        until(all_told, limit_s=LIMIT_S)
    except AssertionError as error:
        raise AssertionError(f"{who}: " + "; ".join(said)) from error


def test_figures_of_a_claim_and_of_certificates_are_true(scrapes: Scrapes) -> None:
    until(lambda: "kubelet_volume_stats_used_bytes{" in scrapes["agent"](), limit_s=LIMIT_S)
    found = figures(scrapes["agent"]())
    labels = (("namespace", "default"), ("persistentvolumeclaim", CLAIM))
    room = {name: found[f"kubelet_volume_stats_{name}"][labels] for name in ("capacity_bytes", "used_bytes", "inodes")}
    assert 0 < room["used_bytes"] < room["capacity_bytes"]
    assert room["inodes"] >= 0
    for whose in ("client", "server"):
        (left_s,) = found[f"kubelet_certificate_manager_{whose}_ttl_seconds"].values()
        assert 3600 < left_s < 20 * 366 * 86400
    plugins = {dict(one)["plugin_name"] for one in found["volume_manager_total_volumes"]}
    assert {"kubernetes.io/host-path", "kubernetes.io/secret", "kubernetes.io/projected"} <= plugins


def faults(text: str, wanted: Iterable[Name]) -> list[str]:
    """What the text does not tell as it should, a sentence each."""
    kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text))
    helps = dict(re.findall(r"(?m)^# HELP (\S+) (.*)$", text))
    found, said = figures(text), []
    for one in wanted:
        if kinds.get(one.name) != one.kind:
            said.append(f"{one.name} is of type {kinds.get(one.name)}, not {one.kind}")
        elif helps.get(one.name) != one.help:
            said.append(f"{one.name} is explained as {helps.get(one.name)!r}")
        elif not one.seldom:
            said += _faults_of_series(one, found)
    return said


def _faults_of_series(one: Name, found: dict[str, Series]) -> list[str]:
    name = f"{one.name}_count" if one.kind == "histogram" else one.name
    # The parser gives old names of counters the ending that they lack.
    series = found.get(name) or found.get(f"{name}_total") or {}
    if not series:
        return [f"{one.name} has no series"]
    if one.kind == "histogram" and not any(series.values()):
        return [f"{one.name} has counted nothing"]
    labels = {tuple(name for name, _ in key) for key in series}
    return [] if labels == {tuple(sorted(one.labels))} else [f"{one.name} has the labels {labels}"]


def figures(text: str) -> dict[str, Series]:
    """Name of each sample to its labels, sorted, to its value."""
    found: dict[str, Series] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    return found
