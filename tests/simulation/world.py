"""A cluster of hollow nodes, shaken by chance: what is done to it, and what is wanted of it in the end.

All that happens follows from the seed, but for time: who is quicker differs from run to run.
"""

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.apps import Deployment
from api.codec import convert
from api.core import Namespace, Node, Pod, ReplicationController, Service
from api.core.quota import ResourceQuota
from api.errors import AlreadyExists, ApiError, Conflict, NotFound
from api.meta import Object
from client import Informer, Unreachable
from tests.simulation.hollow import HollowNode
from tests.simulation.processes import LIMIT_S, NAMES, STANDBYS, Processes, until

# What is wanted fits on three nodes of sixty pods.
_NODES_MAX, _OWNERS_MAX = 8, 12
_LOST = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
Name = tuple[str, str]


class World:
    """``wanted`` is what a user asked for and was told is done, by kind, namespace and name."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.processes = Processes(folder)
        self.nodes: dict[str, HollowNode] = {}
        self.killed: set[str] = set()
        self.controllers: dict[Name, int] = {}
        self.deployments: dict[Name, int] = {}
        self.paused: set[Name] = set()
        self.services: set[Name] = set()
        self.namespaces: set[str] = {"default"}
        self.quotas: dict[str, int] = {}
        self.story: list[str] = []
        self.moved: list[str] = []
        self._places: dict[str, str] = {}
        self._number = 0
        for name in NAMES:
            self.processes.start(name)
        self.admin = self.processes.client()
        until(self._is_up, what="the API server is up")
        self._pods = Informer(self.admin, Pod, on_change=self._pod_changed)
        self._pods.start()

    def _is_up(self) -> bool:
        try:
            self.admin.get(Namespace, "default")
        except (ApiError, Unreachable):
            return False
        return True

    def _pod_changed(self, _: Pod | None, new: Pod | None) -> None:
        """Who has a node keeps it."""
        if new is None or not new.spec.node_name:
            return
        before = self._places.setdefault(new.metadata.uid, new.spec.node_name)
        if before != new.spec.node_name:
            self.moved.append(f"pod {new.metadata.name} went from {before} to {new.spec.node_name}")

    def shake(self, steps: int) -> None:
        actions: list[tuple[int, Callable[[], str]]] = [
            (8, self.add_node),
            (4, self.kill_node),
            (4, self.revive_node),
            (3, self.remove_node),
            (5, self.freeze_node),
            (5, self.thaw_node),
            (5, self.cut_node),
            (5, self.join_node),
            (10, self.make_controller),
            (10, self.make_deployment),
            (12, self.scale),
            (6, self.roll),
            (5, self.pause),
            (5, self.drop_owner),
            (8, self.make_service),
            (4, self.drop_service),
            (4, self.make_namespace),
            (3, self.drop_namespace),
            (6, self.delete_pods),
            (5, self.cordon),
            (9, self.kill_process),
            (12, self.start_process),
            (4, self.stall_process),
        ]
        weights, verbs = zip(*actions, strict=True)
        for _ in range(steps):
            said = self.chance.choices(verbs, weights)[0]()
            if said:
                self.story.append(said)
            time.sleep(self.chance.choice((0, 0, 0.02, 0.1, 0.4)))

    def calm(self) -> None:
        """Everything that was stopped goes on, and what was killed is started or given up."""
        for name in NAMES:
            self.processes.start(name)
        for node in self.nodes.values():
            node.thaw()
            node.cut(off=False)
        for name in sorted(self.killed):
            self.chance.choice((self._revive, self._remove))(name)
        while len(self.nodes) < 3:
            self.add_node()
        for name in self.nodes:
            # One that has only just begun is not registered yet, and nobody has cordoned it.
            with contextlib.suppress(NotFound):
                self._insist(lambda name=name: self.admin.patch(Node, name, "", {"spec": {"unschedulable": None}}))
        for owner in sorted(self.paused & set(self.deployments)):
            self._pause(owner, paused=False)
        for namespace, most in sorted(self.quotas.items()):
            self._fit(namespace, most)

    def _fit(self, namespace: str, most: int) -> None:
        """What a quota does not let in is wanted no more; else it would be tried again for ever, as it must be."""
        for owner in sorted(one for one in self.controllers if one[0] == namespace):
            self._scale(ReplicationController, owner, min(self.controllers[owner], most))
            most -= self.controllers[owner]

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()
        self._pods.stop()
        self.admin.close()
        self.processes.close()

    # Nodes.

    def add_node(self) -> str:
        if len(self.nodes) + len(self.killed) >= _NODES_MAX:
            return ""
        return self._revive(self._fresh("node"))

    def _revive(self, name: str) -> str:
        zone = {"topology.kubernetes.io/zone": f"z{len(name) % 2}", "kubernetes.io/hostname": name}
        self.nodes[name] = HollowNode(self.processes.kubeconfig("admin"), name, labels=zone, pods=60).start()
        self.killed.discard(name)
        return f"node {name} starts"

    def kill_node(self) -> str:
        if len(self.nodes) < 3:
            return ""
        name = self._one(self.nodes)
        self.nodes.pop(name).kill()
        self.killed.add(name)
        return f"node {name} dies"

    def revive_node(self) -> str:
        return self._revive(self._one(self.killed)) if self.killed else ""

    def remove_node(self) -> str:
        return self._remove(self._one(self.killed)) if self.killed else ""

    def _remove(self, name: str) -> str:
        with contextlib.suppress(NotFound):
            self._insist(lambda: self.admin.delete(Node, name))
        self.killed.discard(name)
        return f"node {name} is removed"

    def freeze_node(self) -> str:
        return self._with_node("freezes", HollowNode.freeze)

    def thaw_node(self) -> str:
        return self._with_node("thaws", HollowNode.thaw)

    def cut_node(self) -> str:
        return self._with_node("is cut off", lambda node: node.cut(off=True))

    def join_node(self) -> str:
        return self._with_node("is joined", lambda node: node.cut(off=False))

    def _with_node(self, what: str, act: Callable[[HollowNode], None]) -> str:
        if not self.nodes:
            return ""
        name = self._one(self.nodes)
        act(self.nodes[name])
        return f"node {name} {what}"

    def cordon(self) -> str:
        if not self.nodes:
            return ""
        name, closed = self._one(self.nodes), self.chance.random() < 0.5
        with contextlib.suppress(NotFound):
            self._insist(lambda: self.admin.patch(Node, name, "", {"spec": {"unschedulable": closed or None}}))
        return f"node {name} unschedulable={closed}"

    # What users want.

    def make_controller(self) -> str:
        if len(self.controllers) >= _OWNERS_MAX:
            return ""
        namespace, name = self._space(), self._fresh("rc")
        replicas = self.chance.randint(0, 6)
        document = self._owner(namespace, name, replicas, selector={"app": name})
        self._create(convert(document, ReplicationController))
        self.controllers[namespace, name] = replicas
        return f"rc {namespace}/{name} replicas={replicas}"

    def make_deployment(self) -> str:
        if len(self.deployments) >= _OWNERS_MAX:
            return ""
        # A rollout within a quota may have no room to move, in Kubernetes too.
        namespace = self._one(self.namespaces - set(self.quotas))
        name, replicas = self._fresh("dep"), self.chance.randint(0, 5)
        document = self._owner(namespace, name, replicas, selector={"matchLabels": {"app": name}})
        self._create(convert(document, Deployment))
        self.deployments[namespace, name] = replicas
        return f"deployment {namespace}/{name} replicas={replicas}"

    def _owner(self, namespace: str, name: str, replicas: int, *, selector: Any) -> dict[str, Any]:
        bears_s = self.chance.choice((0, 0, 1, 600))
        tolerations = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": bears_s} for key in _LOST
        ]
        requests = {"cpu": self.chance.choice(("10m", "50m", "200m"))}
        containers = [{"name": "c", "image": "web:1", "ports": [{"name": "web", "containerPort": 80}]}]
        containers[0]["resources"] = {"requests": requests}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
        template["spec"] |= {"tolerations": tolerations, "terminationGracePeriodSeconds": 1}
        spec = {"replicas": replicas, "selector": selector, "template": template}
        return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    def scale(self) -> str:
        kind, owners = self.chance.choice(((ReplicationController, self.controllers), (Deployment, self.deployments)))
        if not owners:
            return ""
        owner = self._one(owners)
        return self._scale(kind, owner, self.chance.randint(0, 7))

    def _scale(self, kind: type[Object], owner: Name, replicas: int) -> str:
        self._insist(lambda: self.admin.patch(kind, owner[1], owner[0], {"spec": {"replicas": replicas}}))
        (self.controllers if kind is ReplicationController else self.deployments)[owner] = replicas
        return f"{kind.__name__} {owner[0]}/{owner[1]} scaled to {replicas}"

    def roll(self) -> str:
        if not self.deployments:
            return ""
        namespace, name = self._one(self.deployments)
        annotations = {"restarted": self._fresh("at")}
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        self._insist(lambda: self.admin.patch(Deployment, name, namespace, patch))
        return f"deployment {namespace}/{name} rolls"

    def pause(self) -> str:
        """Or let it go on; it may be scaled and get another template meanwhile."""
        if not self.deployments:
            return ""
        owner = self._one(self.deployments)
        return self._pause(owner, paused=owner not in self.paused)

    def _pause(self, owner: Name, *, paused: bool) -> str:
        patch = {"spec": {"paused": paused or None}}
        self._insist(lambda: self.admin.patch(Deployment, owner[1], owner[0], patch))
        (self.paused.add if paused else self.paused.discard)(owner)
        return f"deployment {owner[0]}/{owner[1]} paused={paused}"

    def drop_owner(self) -> str:
        kind, owners = self.chance.choice(((ReplicationController, self.controllers), (Deployment, self.deployments)))
        if not owners:
            return ""
        namespace, name = self._one(owners)
        propagation = self.chance.choice(("Background", "Foreground"))
        del owners[namespace, name]
        with contextlib.suppress(NotFound):
            self._insist(lambda: self.admin.delete(kind, name, namespace, propagation=propagation))
        return f"{kind.__name__} {namespace}/{name} deleted {propagation}"

    def make_service(self) -> str:
        owners = sorted([*self.controllers, *self.deployments])
        if not owners:
            return ""
        namespace, app = self.chance.choice(owners)
        name = self._fresh("svc")
        kind = self.chance.choice(("ClusterIP", "NodePort", "LoadBalancer"))
        port = {"port": 80, "targetPort": self.chance.choice((80, "web"))}
        spec = {"selector": {"app": app}, "ports": [port], "type": kind}
        self._create(convert({"metadata": {"name": name, "namespace": namespace}, "spec": spec}, Service))
        self.services.add((namespace, name))
        return f"service {namespace}/{name} {kind} of {app}"

    def drop_service(self) -> str:
        if not self.services:
            return ""
        namespace, name = self._one(self.services)
        self.services.discard((namespace, name))
        with contextlib.suppress(NotFound):
            self._insist(lambda: self.admin.delete(Service, name, namespace))
        return f"service {namespace}/{name} deleted"

    def make_namespace(self) -> str:
        if len(self.namespaces) > 4:
            return ""
        name = self._fresh("space")
        self._create(convert({"metadata": {"name": name}}, Namespace))
        self.namespaces.add(name)
        if self.chance.random() < 0.7:
            most = self.chance.randint(3, 10)
            hard = {"pods": str(most), "services": "20", "requests.cpu": "20"}
            quota = {"metadata": {"name": "most", "namespace": name}, "spec": {"hard": hard}}
            self._create(convert(quota, ResourceQuota))
            self.quotas[name] = most
        return f"namespace {name} pods={self.quotas.get(name, 'any')}"

    def drop_namespace(self) -> str:
        spare = self.namespaces - {"default"}
        if not spare:
            return ""
        name = self._one(spare)
        self.namespaces.discard(name)
        self.quotas.pop(name, None)
        for owners in (self.controllers, self.deployments):
            for owner in [one for one in owners if one[0] == name]:
                del owners[owner]
        self.services = {one for one in self.services if one[0] != name}
        with contextlib.suppress(NotFound, Conflict):
            self._insist(lambda: self.admin.delete(Namespace, name))
        return f"namespace {name} deleted"

    def delete_pods(self) -> str:
        namespace, grace_s = self._one(self.namespaces), self.chance.choice((None, 0, 1))
        found: list[Pod] = []
        self._insist(lambda: found.extend(self.admin.list(Pod, namespace).items))
        for pod in self.chance.sample(found, min(len(found), 3)):
            with contextlib.suppress(NotFound):
                self._insist(lambda pod=pod: self.admin.delete(Pod, pod.metadata.name, namespace, grace_s=grace_s))
        return f"{min(len(found), 3)} pods of {namespace} deleted grace={grace_s}"

    # The master.

    def kill_process(self) -> str:
        name = self.chance.choice((*NAMES, *STANDBYS))
        if not self.processes.runs(name):
            return ""
        self.processes.kill(name)
        if self.chance.random() < 0.6:
            self.processes.start(name)
            return f"{name} killed and started"
        return f"{name} killed"

    def start_process(self) -> str:
        name = self.chance.choice((*NAMES, *STANDBYS))
        if self.processes.runs(name):
            return ""
        self.processes.start(name)
        return f"{name} started"

    def stall_process(self) -> str:
        name = self.chance.choice(("controllers", "scheduler", *STANDBYS))
        self.processes.pause(name, stopped=True)
        time.sleep(self.chance.choice((0.2, 1.0)))
        self.processes.pause(name, stopped=False)
        return f"{name} stalled"

    # How a user does things.

    def _insist(self, act: Callable[[], object]) -> None:
        """Until the API server has taken it: a user whose master is away tries again, and starts it in the end."""
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                act()
                return
            except (Unreachable, Conflict):
                assert time.monotonic() < end, "the API server does not come back"
                self.processes.start("apiserver")
                time.sleep(0.05)

    def _create(self, item: Object) -> None:
        """The answer to the first try may have been lost."""
        with contextlib.suppress(AlreadyExists):
            self._insist(lambda: self.admin.create(item))

    def _space(self) -> str:
        return self._one(self.namespaces)

    def _one(self, of: Any) -> Any:
        return self.chance.choice(sorted(of))

    def _fresh(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number}"
