"""Our scheduler and Kubernetes' 1.20 over one kube-apiserver: drawn pods fit the same nodes, and what is against the
others is told in the same words.

Both ask an extender about the nodes that fit. It writes them down and lets nothing through, so that no pod is placed
and each is decided on the same cluster by both.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.waiting import until
from tests.peers.alike import NAMESPACE, taking_pods
from tests.peers.conftest import LIMIT_S
from tests.peers.mixed import MANIFESTS, Mixed
from tests.scheduler.extender import Extender, names

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]

OURS, THEIRS = "ours", "theirs"
# The order of filters since 1.23; before, another one may be the first to say no.
FILTERS = ("NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
           "VolumeRestrictions", "VolumeBinding", "VolumeZone", "PodTopologySpread", "InterPodAffinity")  # fmt: skip
# What later versions say in other words.
REWORDED = (
    (r"node\(s\) had taint \{(.*?)\}, that the pod didn't tolerate", r"node(s) had untolerated taint {\1}"),
    (r"node\(s\) didn't match node selector", "node(s) didn't match Pod's node affinity/selector"),
    (r"Pod's node affinity(?=[,.])", "Pod's node affinity/selector"),
)
# 1.20 tells of pod affinity twice: that some rule is not met, and which.
SAID_TWICE = "node(s) didn't match pod affinity/anti-affinity"
APPS, ZONES, HOST, ZONE = ("web", "db", "cache"), ("a", "b", "c"), "kubernetes.io/hostname", "zone"
TAINTS = (
    {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
    {"key": "dedicated", "value": "web", "effect": "NoExecute"},
    {"key": "slow", "value": "", "effect": "PreferNoSchedule"},
)


class Draw:
    """Objects by chance; all follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def node(self, name: str) -> Object:
        chance = self.chance
        labels = {HOST: name, "disk": chance.choice(("ssd", "hdd")), "gen": str(chance.randint(1, 4))}
        if chance.random() < 0.85:
            labels[ZONE] = chance.choice(ZONES)
        room = {"cpu": chance.choice(("2", "4")), "memory": chance.choice(("2Gi", "8Gi"))}
        room |= {"pods": chance.choice(("6", "30")), "example.com/gpu": chance.choice(("0", "1", "2"))}
        spec: Object = {"taints": [one for one in TAINTS if chance.random() < 0.2]}
        if chance.random() < 0.15:
            spec["unschedulable"] = True
        status = {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]}
        return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}

    def placed(self, name: str, node: str) -> Object:
        made = self._pod(name)
        made["spec"] |= {"nodeName": node}
        if self.chance.random() < 0.06:
            made["spec"]["affinity"] = {"podAntiAffinity": {_REQUIRED: [self._term()]}}
        return made

    def waiting(self, name: str) -> Object:
        made, chance = self._pod(name), self.chance
        spec, affinity = made["spec"], dict[str, Any]()
        # 1.20 counts pods also on nodes that selector and affinity rule out, or that lack another constraint's key.
        if chance.random() < 0.3:
            spec["topologySpreadConstraints"] = self._spread()
        elif chance.random() < 0.2:
            spec["nodeSelector"] = {"disk": chance.choice(("ssd", "hdd", "none"))}
        if "topologySpreadConstraints" not in spec and chance.random() < 0.4:
            terms = [{"matchExpressions": [self._expression()]} for _ in range(chance.randint(1, 2))]
            affinity["nodeAffinity"] = {_REQUIRED: {"nodeSelectorTerms": terms}}
        for kind in ("podAffinity", "podAntiAffinity"):
            if chance.random() < 0.3:
                affinity[kind] = {_REQUIRED: [self._term() for _ in range(chance.randint(1, 2))]}
        spec["tolerations"] = [self._toleration() for _ in range(chance.choice((0, 1, 2)))]
        return made | {"spec": spec | ({"affinity": affinity} if affinity else {})}

    def _pod(self, name: str) -> Object:
        chance = self.chance
        # 1.20 finds too little of what is overcommitted also for a pod that asks for none of it, but for something.
        requests = {"cpu": chance.choice(("100m", "500m", "1500m")), "memory": chance.choice(("64Mi", "1Gi"))}
        requests = requests if chance.random() < 0.8 else {}
        container: Object = {"name": "c", "image": "web:1", "resources": {"requests": requests}}
        if requests and chance.random() < 0.2:
            container["resources"]["limits"] = {"example.com/gpu": "1"}
        if chance.random() < 0.3:
            port = {"containerPort": 80, "hostPort": chance.choice((80, 81)), "protocol": chance.choice(("TCP", "UDP"))}
            container["ports"] = [port | chance.choice(({}, {"hostIP": "10.0.0.1"}, {"hostIP": "10.0.0.2"}))]
        spec: Object = {"containers": [container], "terminationGracePeriodSeconds": 0}
        if requests and chance.random() < 0.2:
            spec["initContainers"] = [{"name": "i", "image": "web:1", "resources": {"requests": {"cpu": "1900m"}}}]
        return {"metadata": {"name": name, "labels": {"app": chance.choice(APPS)}}, "spec": spec}

    def _selector(self) -> Object:
        apps = self.chance.sample(APPS, self.chance.randint(1, 2))
        return {"matchExpressions": [{"key": "app", "operator": self.chance.choice(("In", "NotIn")), "values": apps}]}

    def _term(self) -> Object:
        return {"labelSelector": self._selector(), "topologyKey": self.chance.choice((HOST, ZONE, "disk"))}

    def _spread(self) -> list[Object]:
        keys = self.chance.choice(([HOST], [ZONE], ["disk"], [HOST, "disk"]))
        more = {"whenUnsatisfiable": "DoNotSchedule", "labelSelector": self._selector()}
        return [{"maxSkew": self.chance.randint(1, 2), "topologyKey": key, **more} for key in keys]

    def _expression(self) -> Object:
        key, values = self.chance.choice((("disk", ["ssd"]), (ZONE, ["a", "b"]), ("gen", ["1", "2"])))
        operator = self.chance.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        if key == "gen" and self.chance.random() < 0.5:
            return {"key": key, "operator": self.chance.choice(("Gt", "Lt")), "values": ["2"]}
        return {"key": key, "operator": operator} | ({"values": values} if operator.endswith("In") else {})

    def _toleration(self) -> Object:
        return self.chance.choice(
            (
                {"operator": "Exists"},
                {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "dedicated", "operator": "Equal", "value": "web"},
                {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"},
            )
        )


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Asked:
    """What the extender was asked last about each pod, by the name of its scheduler."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], frozenset[str]] = {}

    def answer(self, body: Object) -> Object:
        spec, meta = body["Pod"]["spec"], body["Pod"]["metadata"]
        with self._lock:
            self._found[spec["schedulerName"], meta["labels"]["drawn"]] = frozenset(names(body))
        return {"NodeNames": [], "FailedNodes": dict.fromkeys(names(body), "fits")}

    def nodes(self, scheduler: str, drawn: str) -> list[str]:
        with self._lock:
            return sorted(self._found.get((scheduler, drawn), ()))


@pytest.fixture(scope="module")
def asked(their_master: Mixed, their_api: Api, their_kubectl: Kubectl, tmp_path_factory: Any) -> Iterator[Asked]:
    """Both schedulers run."""
    taking_pods(their_api)
    their_kubectl("create", "-f", str(MANIFESTS / "scheduler.yaml"))
    noted = Asked()
    server = Extender(filter=noted.answer)
    try:
        folder = tmp_path_factory.mktemp("schedulers")
        their_master.theirs("kube-scheduler", config=_configured(folder, their_master, THEIRS, server.address))
        their_master.ours("scheduler", configuration=_configured(folder, their_master, OURS, server.address))
        yield noted
    finally:
        server.stop()


def _configured(folder: Path, master: Mixed, name: str, extender: str) -> Path:
    version, filters = ("v1beta1", FILTERS) if name == THEIRS else ("v1", ())
    plugins: Object = {"postFilter": {"disabled": [{"name": "DefaultPreemption"}]}}
    if filters:
        plugins["filter"] = {"disabled": [{"name": "*"}], "enabled": [{"name": one} for one in filters]}
    kubeconfig = str(master.settings.kubeconfig("scheduler"))
    file = folder / f"{name}.yaml"
    file.write_text(
        json.dumps(
            {
                "apiVersion": f"kubescheduler.config.k8s.io/{version}",
                "kind": "KubeSchedulerConfiguration",
                "clientConnection": {"kubeconfig": kubeconfig},
                "leaderElection": {"leaderElect": False},
                "profiles": [{"schedulerName": name, "plugins": plugins}],
                "extenders": [{"urlPrefix": extender, "filterVerb": "filter", "nodeCacheCapable": True}],
            }
        )
    )
    return file


def _post(api: Api, path: str, body: Object) -> Object:
    answer = api.call("POST", path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _join(api: Api, node: Object) -> None:
    _post(api, "/api/v1/nodes", node)
    path = f"/api/v1/nodes/{node['metadata']['name']}"
    # A node begins with a taint that Kubernetes' controllers take off.
    spec = {"taints": node["spec"]["taints"] or None}
    merge = {"Content-Type": "application/merge-patch+json"}
    assert api.call("PATCH", path, json={"spec": spec}, headers=merge).ok
    assert api.call("PATCH", f"{path}/status", json={"status": node["status"]}, headers=merge).ok


def _clear(api: Api) -> None:
    for plural in (f"{NAMESPACE}/pods", "/api/v1/nodes"):
        assert api.call("DELETE", plural, params={"gracePeriodSeconds": "0"}).ok
        until(lambda plural=plural: not api.get(plural)["items"], limit_s=LIMIT_S, what=f"no {plural}")


def _told(api: Api, name: str) -> str:
    """The message of its FailedScheduling event."""
    said = [one["message"] for one in api.events(name) if one["reason"] == "FailedScheduling"]
    return said[0] if said else ""


def _reasons(message: str) -> list[str]:
    """Count and reason of each kind, in the words of today."""
    for old, new in REWORDED:
        message = re.sub(old, new, message)
    said = message.removesuffix(".").partition(": ")[2].split(", ")
    return sorted(one for one in said if not re.fullmatch(rf"\d+ {re.escape(SAID_TWICE)}", one))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drawn_pods_fit_the_same_nodes_for_the_same_reasons(their_api: Api, asked: Asked, seed: int) -> None:
    draw = Draw(seed)
    nodes = [f"n{number}" for number in range(6)]
    try:
        for name in nodes:
            _join(their_api, draw.node(name))
        for number in range(18):
            _post(their_api, f"{NAMESPACE}/pods", draw.placed(f"placed-{number}", draw.chance.choice(nodes)))
        drawn = {f"{seed}-{number}": draw.waiting(f"p{number}") for number in range(60)}
        for mark, pod in drawn.items():
            for scheduler in (OURS, THEIRS):
                meta = {"name": f"{scheduler}-{mark}", "labels": {**pod["metadata"]["labels"], "drawn": mark}}
                spec = {**pod["spec"], "schedulerName": scheduler}
                _post(their_api, f"{NAMESPACE}/pods", {"metadata": meta, "spec": spec})
        different = []
        fitting = 0
        for mark, pod in drawn.items():
            said = {}
            for scheduler in (OURS, THEIRS):
                name = f"{scheduler}-{mark}"
                said[scheduler] = until(lambda name=name: _told(their_api, name), limit_s=LIMIT_S, what=name)
            found = {one: asked.nodes(one, mark) for one in (OURS, THEIRS)}
            fitting += bool(found[OURS])
            if found[OURS] != found[THEIRS] or _reasons(said[OURS]) != _reasons(said[THEIRS]):
                different.append({"pod": pod, "nodes": found, "said": said})
        assert not different, "\n".join([str(len(different)), *map(json.dumps, different[:5])])
        assert 0 < fitting < len(drawn), "pods of both kinds are drawn"
    finally:
        _clear(their_api)
