"""References from one object to another."""

from typing import Annotated, ClassVar

from api.struct import F, Struct


class ObjectReference(Struct):
    """Names any object, or a part of one."""

    whole: ClassVar = True
    kind: Annotated[str, F(1, "Kind of the object.")] = ""
    namespace: Annotated[str, F(2, "Namespace of the object.")] = ""
    name: Annotated[str, F(3, "Name of the object.")] = ""
    uid: Annotated[str, F(4, "UID of the object.")] = ""
    api_version: Annotated[str, F(5, "Group and version of the object.")] = ""
    resource_version: Annotated[str, F(6, "The version of the object that is meant.")] = ""
    field_path: Annotated[str, F(7, "The part that is meant, as spec.containers{name}.")] = ""


class LocalObjectReference(Struct):
    """Names an object in the same namespace; its kind follows from the place."""

    whole: ClassVar = True
    name: Annotated[str, F(1, "Name of the object.")] = ""


class TypedLocalObjectReference(Struct):
    """Names an object of any kind in the same namespace."""

    whole: ClassVar = True
    api_group: Annotated[str | None, F(1, "Group of the object; none for the core group.")] = None
    kind: Annotated[str, F(2, "Kind of the object.", required=True)] = ""
    name: Annotated[str, F(3, "Name of the object.", required=True)] = ""
