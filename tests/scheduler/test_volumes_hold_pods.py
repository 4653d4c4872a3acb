"""Claims: not bound, bound to a volume that some nodes reach, gone."""

from typing import Any

import pytest

from api.codec import convert
from api.core import PersistentVolume, PersistentVolumeClaim
from api.scalars import now
from master.scheduler.volumes import volumes_of
from tests.scheduler.made import cluster, node, pod, refusal

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


def claim(name: str, volume: str = "", phase: str = "Bound") -> PersistentVolumeClaim:
    body: dict[str, Any] = {"metadata": {"name": name}, "spec": {"volumeName": volume}, "status": {"phase": phase}}
    return convert(body, PersistentVolumeClaim)


def volume(name: str, *hosts: str) -> PersistentVolume:
    spec: dict[str, Any] = {}
    if hosts:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(hosts)}
        spec = {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}
    return convert({"metadata": {"name": name}, "spec": spec}, PersistentVolume)


LEAVING = claim("leaving", "everywhere")
LEAVING.metadata.deletion_timestamp = now()
CLAIMS = {
    one.metadata.name: one
    for one in (
        claim("free", "everywhere"),
        claim("on-a", "local-a"),
        claim("on-ab", "local-ab"),
        claim("pending", phase="Pending"),
        claim("half", "everywhere", phase="Pending"),
        claim("lost", "gone", phase="Lost"),
        claim("broken", "gone"),
        LEAVING,
    )
}
VOLUMES = {
    one.metadata.name: one for one in (volume("everywhere"), volume("local-a", "a"), volume("local-ab", "a", "b"))
}


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ((), ""),
        (("free",), ""),
        (("on-a", "free"), ""),
        (("none",), 'persistentvolumeclaim "none" not found'),
        (("pending",), UNBOUND),
        (("half",), UNBOUND),
        (("free", "pending"), UNBOUND),
        (("leaving",), 'persistentvolumeclaim "leaving" is being deleted'),
        (("lost",), 'persistentvolumeclaim "lost" bound to non-existent persistentvolume "gone"'),
        (("broken",), "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"),
    ],
)
def test_claims_say_what_is_wrong_with_them(claims: tuple[str, ...], problem: str) -> None:
    assert volumes_of("default", claims, lambda _, name: CLAIMS.get(name), VOLUMES.get).problem == problem


@pytest.mark.parametrize(
    ("claims", "nodes"),
    [(("free",), "abc"), (("on-a",), "a"), (("on-ab",), "ab"), (("on-ab", "on-a"), "a"), (("free", "on-ab"), "ab")],
)
def test_a_volume_draws_its_pod_to_the_nodes_that_reach_it(claims: tuple[str, ...], nodes: str) -> None:
    there = cluster(node("a"), node("b"), node("c"))
    found = volumes_of("default", claims, lambda _, name: CLAIMS.get(name), VOLUMES.get)
    refused = {name: refusal(pod(), there, name, volumes=found) for name in "abc"}
    conflict = ("node(s) had volume node affinity conflict",)
    assert refused == {name: () if name in nodes else conflict for name in "abc"}
