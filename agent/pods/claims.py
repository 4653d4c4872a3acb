"""Which volume stands behind a persistentVolumeClaim, and whether this pod may have it here. Pure.

The rule: claim and volume must name each other, as the binder leaves them; a claim that only wishes for a volume, or a
volume that was given to another claim of the same name before, is refused with a sentence.
"""

from dataclasses import dataclass

from agent.pods.problems import ConfigError
from api.core import PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec
from api.core.volume import HostPathVolumeSource, NFSVolumeSource
from api.schema import fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Where a claim's data is: a path of this node, or an NFS export. mount_options: of mount(8); kind: the plugin's
    name."""

    volume: str
    kind: str = "host-path"
    host_path: HostPathVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    mount_options: tuple[str, ...] = ()


def bound_volume(claim: PersistentVolumeClaim) -> str:
    """Name of the volume that the claim is bound to. Raises ConfigError."""
    name = claim.metadata.name
    if claim.metadata.deletion_timestamp is not None:
        raise ConfigError(f'persistentvolumeclaim "{name}" is being deleted')
    if not claim.spec.volume_name:
        raise ConfigError(f'persistentvolumeclaim "{name}" is not bound to a volume')
    if claim.status.phase == "Lost":
        raise ConfigError(f'persistentvolumeclaim "{name}" has lost its volume {claim.spec.volume_name!r}')
    return claim.spec.volume_name


def claimed(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Claimed:
    """Raises ConfigError when the volume is another claim's, or of a kind that this agent does not have."""
    spec, name = volume.spec, volume.metadata.name
    reference = spec.claim_ref
    ours = (claim.metadata.namespace, claim.metadata.name)
    if reference is None or (reference.namespace, reference.name) != ours:
        raise ConfigError(f'persistentvolume "{name}" is not bound to claim {ours[0]}/{ours[1]}')
    if reference.uid and reference.uid != claim.metadata.uid:
        raise ConfigError(f'persistentvolume "{name}" is bound to an earlier claim {ours[0]}/{ours[1]}')
    if spec.volume_mode == "Block":
        raise ConfigError(f'persistentvolume "{name}": volumeMode Block is not supported by this agent')
    if not (spec.nfs or spec.host_path or spec.local):
        raise ConfigError(
            f'persistentvolume "{name}" is of a kind that is not supported by this agent{_kind_told(spec)}'
        )
    options = tuple(spec.mount_options)
    if spec.nfs is not None:
        return Claimed(volume=name, kind="nfs", nfs=spec.nfs, mount_options=options)
    if options:
        raise ConfigError(f'persistentvolume "{name}": mountOptions are supported for nfs only')
    if spec.host_path is not None:
        return Claimed(volume=name, host_path=spec.host_path)
    assert spec.local is not None
    if spec.local.fs_type:
        raise ConfigError(f'persistentvolume "{name}": local.fsType is not supported by this agent')
    path = HostPathVolumeSource(path=spec.local.path, type="Directory")
    return Claimed(volume=name, kind="local-volume", host_path=path)


def _kind_told(spec: PersistentVolumeSpec) -> str:
    """As ``: iscsi``; empty for a kind that is not known here either."""
    sources = (one for one in fields_of(PersistentVolumeSpec) if isinstance(one.spec.number, tuple))
    return next((f": {one.wire}" for one in sources if getattr(spec, one.attribute) is not None), "")
