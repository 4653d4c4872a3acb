"""Which of Kubernetes' volume plugins a volume belongs to: the word in paths (kubernetes.io~secret) and in metrics."""

from collections.abc import Mapping

from agent.pods.claims import Claimed
from api.claiming import claim_of
from api.core import Volume
from api.defaulting import VOLUME_SOURCES
from api.struct import wire_name

# The sources that this agent can make.
_SUPPORTED = frozenset(
    [
        *("host_path", "empty_dir", "secret", "nfs", "persistent_volume_claim", "ephemeral"),
        *("downward_api", "config_map", "projected"),
    ]
)
PREFIX = "kubernetes.io"
_OF_CLAIM = "persistent-volume-claim"


def kind_of(volume: Volume) -> str:
    """As ``secret``; that of a claim follows from what stands behind it."""
    for kind, source in (
        ("host-path", volume.host_path),
        ("nfs", volume.nfs),
        ("secret", volume.secret),
        ("configmap", volume.config_map),
        ("projected", volume.projected),
        ("downward-api", volume.downward_api),
        (_OF_CLAIM, volume.persistent_volume_claim or volume.ephemeral),
    ):
        if source is not None:
            return kind
    return "empty-dir"


def unsupported(volume: Volume) -> str | None:
    """The kind of a volume that this agent cannot make, as ``iscsi``; "" when it has no source that is known here.

    API servers say emptyDir where that is meant: a volume without a source is of a kind that is newer than this.
    """
    given = [source for source in VOLUME_SOURCES if getattr(volume, source) is not None]
    if not given:
        return ""
    return next((wire_name(source) for source in given if source not in _SUPPORTED), None)


def plugin_of(volume: Volume, pod: str, claims: Mapping[str, Claimed]) -> str:
    """As ``kubernetes.io/secret``."""
    claimed = claims.get(claim_of(volume, pod))
    return f"{PREFIX}/{claimed.kind if claimed is not None else kind_of(volume)}"
