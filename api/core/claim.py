"""What a claim asks for: of PersistentVolumeClaim, and of the claims that pods bring along."""

from typing import Annotated

from api.core.references import TypedLocalObjectReference
from api.meta import LabelSelector
from api.scalars import Resources
from api.struct import F, Struct

VOLUME_MODES = ("Block", "Filesystem")


class VolumeResourceRequirements(Struct):
    """How much storage is wanted."""

    limits: Annotated[Resources, F(1, "Most.")] = {}
    requests: Annotated[Resources, F(2, "Least, under storage.")] = {}


class TypedObjectReference(Struct):
    """Names an object of any kind, also in another namespace."""

    api_group: Annotated[str | None, F(1, "Group of the object.")] = None
    kind: Annotated[str, F(2, "Kind of the object.", required=True)] = ""
    name: Annotated[str, F(3, "Name of the object.", required=True)] = ""
    namespace: Annotated[str | None, F(4, "Namespace of the object.")] = None


class PersistentVolumeClaimSpec(Struct):
    """What storage is wanted."""

    access_modes: Annotated[
        list[str], F(1, "How it must be mountable.", required="at least 1 access mode is required", listed=False)
    ] = []
    selector: Annotated[LabelSelector | None, F(4, "Labels of the volume.")] = None
    resources: Annotated[VolumeResourceRequirements | None, F(2, "How much.", required=True, listed=False)] = None
    volume_name: Annotated[str, F(3, "The volume; set when it is bound.")] = ""
    storage_class_name: Annotated[str | None, F(5, "Name of the class.")] = None
    volume_mode: Annotated[str | None, F(6, "Directory or device.", default="Filesystem", enum=VOLUME_MODES)] = None
    data_source: Annotated[TypedLocalObjectReference | None, F(7, "What it is filled from.")] = None
    data_source_ref: Annotated[TypedObjectReference | None, F(8, "What it is filled from, in any namespace.")] = None
