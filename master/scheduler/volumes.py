"""What a pod's claims say about nodes: none before they are bound, then those from which their volumes are reached.

A claim of a class with ``WaitForFirstConsumer`` is bound for the node that is chosen: to a volume that is reached from
there, or to one that a provisioner makes.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from api.claiming import NO_PROVISIONER, fitting, waits_for_consumer
from api.codec import encode
from api.core import NodeSelector, PersistentVolume, PersistentVolumeClaim
from api.placement import Labels, selects
from api.storage import StorageClass, TopologySelectorTerm

FindClaim = Callable[[str, str], PersistentVolumeClaim | None]
FindClass = Callable[[str], StorageClass | None]
FindVolume = Callable[[str], PersistentVolume | None]


@dataclass(frozen=True, slots=True)
class Delayed:
    """A claim that is bound for the node. ``candidates``: the volumes that fit, best first; ``made``: a provisioner
    makes one, for nodes of these ``topologies`` (any, when there are none).
    """

    claim: PersistentVolumeClaim
    candidates: tuple[PersistentVolume, ...]
    made: bool
    topologies: tuple[TopologySelectorTerm, ...] = ()

    def volume_for(self, node: str, labels: Labels, taken: Collection[str]) -> str | None:
        """The name of the best volume that is reached from a node; empty for one that will be made; else None."""
        for volume in self.candidates:
            affinity = volume.spec.node_affinity
            required = affinity.required if affinity is not None else None
            if volume.metadata.name not in taken and (required is None or selects(required, node, labels)):
                return volume.metadata.name
        if self.made and (not self.topologies or any(_allows(term, labels) for term in self.topologies)):
            return ""
        return None


def _allows(term: TopologySelectorTerm, labels: Labels) -> bool:
    return all(labels.get(one.key) in one.values for one in term.match_label_expressions)


@dataclass(frozen=True, slots=True)
class Volumes:
    """``problem`` rules out every node; each of ``reached_from`` must hold for the node.

    ``alone``: names of the claims that one pod in all may use; ``used_on``: nodes on which another pod does.
    """

    problem: str = ""
    reached_from: tuple[NodeSelector, ...] = ()
    alone: frozenset[str] = frozenset()
    used_on: frozenset[str] = frozenset()
    delayed: tuple[Delayed, ...] = ()
    key: bytes = b""

    def bindings(self, node: str, labels: Labels) -> dict[str, str] | None:
        """By name of each delayed claim the volume for it on a node, empty for one that is made; None when one finds
        nothing.
        """
        found: dict[str, str] = {}
        for one in self.delayed:
            volume = one.volume_for(node, labels, found.values())
            if volume is None:
                return None
            found[one.claim.metadata.name] = volume
        return found


NO_VOLUMES = Volumes()


def volumes_of(
    namespace: str,
    claims: tuple[str, ...],
    find_claim: FindClaim,
    find_volume: FindVolume,
    find_class: FindClass = lambda _: None,
    all_volumes: Callable[[], Iterable[PersistentVolume]] = list,
) -> Volumes:
    """What the claims of a pod in a namespace come to."""
    selectors = []
    delayed: list[Delayed] = []
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
        kind = find_class(claim.spec.storage_class_name or "")
        if "ReadWriteOncePod" in claim.spec.access_modes:
            alone.add(name)
        if kind is not None and not claim.spec.volume_name and waits_for_consumer(kind):
            made = kind.provisioner != NO_PROVISIONER
            candidates = tuple(fitting(claim, all_volumes()))
            delayed.append(Delayed(claim, candidates, made, tuple(kind.allowed_topologies)))
            continue
        if not claim.spec.volume_name or claim.status.phase != "Bound":
            return Volumes(problem="pod has unbound immediate PersistentVolumeClaims")
        volume = find_volume(claim.spec.volume_name)
        if volume is None:
            return Volumes(problem="node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
        affinity = volume.spec.node_affinity
        if affinity is not None and affinity.required is not None:
            selectors.append(affinity.required)
    if not selectors and not alone and not delayed:
        return NO_VOLUMES
    waiting = [
        (one.claim.metadata.name, one.made, [(v.metadata.name, v.metadata.resource_version) for v in one.candidates])
        for one in delayed
    ]
    key = encode((selectors, sorted(alone), waiting))
    return Volumes(reached_from=tuple(selectors), alone=frozenset(alone), delayed=tuple(delayed), key=key)


def beside(volumes: Volumes, nodes: Iterable[str]) -> Volumes:
    """When pods on these nodes use a claim that is for one pod."""
    used_on = frozenset(nodes)
    key = encode((volumes.key.decode(), sorted(used_on)))
    return replace(volumes, used_on=used_on, key=key)
