"""What a pod's claims say about nodes: none before they are bound, then those from which their volumes are reached."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from api.codec import encode
from api.core import NodeSelector, PersistentVolume, PersistentVolumeClaim

FindClaim = Callable[[str, str], PersistentVolumeClaim | None]
FindVolume = Callable[[str], PersistentVolume | None]


@dataclass(frozen=True, slots=True)
class Volumes:
    """``problem`` rules out every node; each of ``reached_from`` must hold for the node.

    ``alone``: names of the claims that one pod in all may use; ``used_on``: nodes on which another pod does.
    """

    problem: str = ""
    reached_from: tuple[NodeSelector, ...] = ()
    alone: frozenset[str] = frozenset()
    used_on: frozenset[str] = frozenset()
    key: bytes = b""


NO_VOLUMES = Volumes()


def volumes_of(namespace: str, claims: tuple[str, ...], find_claim: FindClaim, find_volume: FindVolume) -> Volumes:
    """What the claims of a pod in a namespace come to."""
    selectors = []
    alone: set[str] = set()
    for name in claims:
        claim = find_claim(namespace, name)
        if claim is None:
            return Volumes(problem=f'persistentvolumeclaim "{name}" not found')
        if claim.metadata.deletion_timestamp is not None:
            return Volumes(problem=f'persistentvolumeclaim "{name}" is being deleted')
        if claim.status.phase == "Lost":
            lost = f'bound to non-existent persistentvolume "{claim.spec.volume_name}"'
            return Volumes(problem=f'persistentvolumeclaim "{name}" {lost}')
        if not claim.spec.volume_name or claim.status.phase != "Bound":
            return Volumes(problem="pod has unbound immediate PersistentVolumeClaims")
        volume = find_volume(claim.spec.volume_name)
        if volume is None:
            return Volumes(problem="node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
        if "ReadWriteOncePod" in claim.spec.access_modes:
            alone.add(name)
        affinity = volume.spec.node_affinity
        if affinity is not None and affinity.required is not None:
            selectors.append(affinity.required)
    if not selectors and not alone:
        return NO_VOLUMES
    return Volumes(reached_from=tuple(selectors), alone=frozenset(alone), key=encode((selectors, sorted(alone))))


def beside(volumes: Volumes, nodes: Iterable[str]) -> Volumes:
    """When pods on these nodes use a claim that is for one pod."""
    used_on = frozenset(nodes)
    key = encode((volumes.key.decode(), sorted(used_on)))
    return replace(volumes, used_on=used_on, key=key)
