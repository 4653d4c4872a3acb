"""How many pods a second the scheduler places: its decisions alone, and bound through a real API server.

Alone: nodes of 32 cores and 110 pods in three zones, 10,000 pods that arrive one after the other; each is decided and
counted as placed. *alike*: all of one controller. *mixed*: of 20 controllers in turn. *near*: with a preferred
anti-affinity by host and a spread constraint by zone, so that pods on other nodes count. *unlike*: each asks for
something else, so that nothing found out for one holds for the next. *full*: pods that fit nowhere.
Run: python -m bench.scheduler
"""

import argparse
import gc
import resource
import time
from typing import Any

from api.codec import convert
from api.core import Node, Pod
from api.defaulting import apply
from master.scheduler.cluster import Cluster
from master.scheduler.decision import Chooser
from master.scheduler.profile import Profile
from master.scheduler.wish import Wish

NODES = (100, 1_000, 5_000)
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def node(number: int) -> Node:
    room = {"cpu": "32", "memory": "64Gi", "pods": "110"}
    labels = {HOST: f"n{number}", ZONE: f"z{number % 3}"}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": room, "capacity": room}
    return convert({"metadata": {"name": f"n{number}", "labels": labels}, "status": status}, Node)


def pod(number: int, *, owner: str, millis: int = 100, **spec: Any) -> Pod:
    container = {
        "name": "c",
        "image": "web:1",
        "resources": {"requests": {"cpu": f"{millis}m", "memory": "200Mi"}, "limits": {"memory": "400Mi"}},
    }
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": owner, "uid": owner, "controller": True}
    metadata = {
        "name": f"{owner}-{number}",
        "namespace": "default",
        "uid": f"u{number}",
        "labels": {"app": owner},
        "ownerReferences": [reference],
    }
    item = convert({"metadata": metadata, "spec": {"containers": [container], **spec}}, Pod)
    apply(item)
    return item


def _near(owner: str) -> dict[str, Any]:
    selector = {"matchLabels": {"app": owner}}
    term = {"weight": 10, "podAffinityTerm": {"labelSelector": selector, "topologyKey": HOST}}
    spread = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
    return {
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}},
        "topologySpreadConstraints": [spread],
    }


def pods_of(kind: str, count: int) -> list[Pod]:
    match kind:
        case "alike":
            return [pod(number, owner="one") for number in range(count)]
        case "mixed":
            return [pod(number, owner=f"rc{number % 20}", millis=50 + number % 20) for number in range(count)]
        case "near":
            return [pod(number, owner="one", **_near("one")) for number in range(count)]
        case "unlike":
            return [pod(number, owner=f"o{number}", millis=1 + number % 200) for number in range(count)]
        case "full":
            return [pod(number, owner="big", millis=64_000) for number in range(count)]
    raise ValueError(kind)


def decisions_per_s(nodes: int, pods: list[Pod]) -> tuple[float, int]:
    """Decisions a second of one core, each with the reading of the pod, and how many were placed."""
    cluster = Cluster()
    for number in range(nodes):
        cluster.set_node(node(number))
    chooser = Chooser(cluster, Profile())
    gc.collect()
    # Of the processor: others on the machine do not count.
    start, placed = time.process_time(), 0
    for each in pods:
        wish = Wish.of(each)
        choice = chooser.choose(wish)
        if choice.node:
            cluster.place(wish, choice.node)
            placed += 1
    return len(pods) / (time.process_time() - start), placed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--kinds", default="alike,mixed,near,unlike,full")
    options = parser.parse_args()
    for kind in options.kinds.split(","):
        # Where each decision looks at many nodes, fewer pods tell as much.
        count = options.pods // 10 if kind in ("near", "unlike") else options.pods
        made = pods_of(kind, count)
        for nodes in NODES:
            per_s, placed = decisions_per_s(nodes, made)
            print(f"{kind:7} {nodes:5} nodes: {per_s:7.0f} pods/s, {1e6 / per_s:6.0f} µs each, {placed} placed")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"resident memory at most: {peak:.0f} MiB, the pods to place included")


if __name__ == "__main__":
    main()
