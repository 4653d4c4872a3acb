"""StorageClass, CSINode and CSIDriver (``storage.k8s.io/v1``): what schedulers ask of pods with claims."""

from typing import Annotated, ClassVar

import msgspec

from api.meta import Object
from api.scalars import Int32, Int64
from api.struct import F, Struct, always

_LIFE_CYCLES = ("Persistent", "Ephemeral")
_OWNER_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")


class TopologySelectorLabelRequirement(Struct):
    """A label of nodes and its values."""

    key: Annotated[str, F(1, "The label.", required=True)] = ""
    values: Annotated[list[str], F(2, "One of these.", required=True)] = []


class TopologySelectorTerm(Struct):
    """Labels of nodes that must all hold."""

    whole: ClassVar = True
    match_label_expressions: Annotated[list[TopologySelectorLabelRequirement], F(1, "The labels.")] = []


class StorageClass(Object):
    """A kind of storage, and who makes volumes of it."""

    provisioner: Annotated[str, F(2, "Who makes the volumes.", required=True, immutable=True)] = ""
    parameters: Annotated[dict[str, str], F(3, "What the provisioner is told.", immutable=True)] = {}
    reclaim_policy: Annotated[
        str | None,
        F(
            4,
            "What becomes of a volume whose claim is gone.",
            default="Delete",
            enum=("", "Delete", "Retain"),
            immutable=True,
        ),
    ] = None
    mount_options: Annotated[list[str], F(5, "Options of mount(8).")] = []
    allow_volume_expansion: Annotated[bool | None, F(6, "Whether claims may grow.")] = None
    volume_binding_mode: Annotated[
        str | None,
        F(
            7,
            "At once, or when a pod wants the claim.",
            default="Immediate",
            enum=("Immediate", "WaitForFirstConsumer"),
            immutable=True,
        ),
    ] = None
    allowed_topologies: Annotated[list[TopologySelectorTerm], F(8, "Nodes that can reach the volumes.")] = []


class VolumeNodeResources(Struct):
    """What a driver can do on a node."""

    count: Annotated[Int32 | None, F(1, "How many volumes at once.", minimum=0)] = None


class CSINodeDriver(Struct):
    """A driver on a node."""

    name: Annotated[str, F(1, "Name of the driver.", required=True, form="csi_driver")] = ""
    node_id: Annotated[str, F(2, "What the driver calls the node.", required=True)] = ""
    topology_keys: Annotated[list[str], F(3, "Labels that say where the node is.", form="qualified_name")] = []
    allocatable: Annotated[VolumeNodeResources | None, F(4, "What it can do there.")] = None


class CSINodeSpec(Struct):
    """The drivers of a node."""

    drivers: Annotated[list[CSINodeDriver], F(1, "The drivers.", merge_key="name", listed=True)] = always(list)


class CSINode(Object):
    """Which drivers of storage a node has."""

    spec: Annotated[CSINodeSpec, F(2, "The drivers.", listed=True)] = msgspec.field(default_factory=CSINodeSpec)


class TokenRequest(Struct):
    """A token that a driver wants for the pod's service account."""

    audience: Annotated[str, F(1, "For whom.", listed=True)] = always(str)
    expiration_seconds: Annotated[Int64 | None, F(2, "For how long.")] = None


class CSIDriverSpec(Struct):
    """How a driver is used."""

    attach_required: Annotated[bool | None, F(1, "Volumes are attached first.", default=True)] = None
    pod_info_on_mount: Annotated[bool | None, F(2, "It is told of the pod.", default=False)] = None
    volume_lifecycle_modes: Annotated[list[str], F(3, "Persistent, Ephemeral or both.", enum=_LIFE_CYCLES)] = []
    storage_capacity: Annotated[bool | None, F(4, "It says how much storage is left.", default=False)] = None
    fs_group_policy: Annotated[
        str | None,
        F(5, "Whether it can change the owner.", default="ReadWriteOnceWithFSType", enum=_OWNER_POLICIES),
    ] = None
    token_requests: Annotated[list[TokenRequest], F(6, "Tokens that it wants.")] = []
    requires_republish: Annotated[bool | None, F(7, "It is called again and again.", default=False)] = None
    se_linux_mount: Annotated[bool | None, F(8, "It knows SELinux's option of mount(8).")] = None


class CSIDriver(Object):
    """A driver of storage."""

    spec: Annotated[CSIDriverSpec, F(2, "How it is used.", listed=True)] = msgspec.field(default_factory=CSIDriverSpec)
