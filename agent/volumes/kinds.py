"""Which of Kubernetes' volume plugins a volume belongs to: the word in paths (kubernetes.io~secret) and in metrics."""

from collections.abc import Mapping

from agent.pods.claims import Claimed
from api.core import Volume

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
        (_OF_CLAIM, volume.persistent_volume_claim),
    ):
        if source is not None:
            return kind
    return "empty-dir"


def plugin_of(volume: Volume, claims: Mapping[str, Claimed]) -> str:
    """As ``kubernetes.io/secret``."""
    wish = volume.persistent_volume_claim
    claimed = claims.get(wish.claim_name) if wish is not None else None
    return f"{PREFIX}/{claimed.kind if claimed is not None else kind_of(volume)}"
