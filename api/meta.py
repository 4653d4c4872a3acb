"""What every object carries (``meta/v1``): metadata, lists, selectors, options of a call, and the Status of an
error."""

from typing import Annotated, Any, ClassVar

import msgspec

from api.scalars import Int32, Int64, Time
from api.struct import F, Struct


class OwnerReference(Struct):
    """Names the object on which this one depends, and with which it goes."""

    whole: ClassVar = True
    api_version: Annotated[str, F(5, "Group and version of the owner.", listed=True)] = ""
    kind: Annotated[str, F(1, "Kind of the owner.", listed=True)] = ""
    name: Annotated[str, F(3, "Name of the owner.", listed=True)] = ""
    uid: Annotated[str, F(4, "UID of the owner.", listed=True)] = ""
    controller: Annotated[bool | None, F(6, "True for the one owner that manages this object.")] = None
    block_owner_deletion: Annotated[
        bool | None, F(7, "True if a foreground deletion of the owner waits for this object.")
    ] = None


class ManagedFieldsEntry(Struct):
    """Which fields one manager has set."""

    manager: Annotated[str, F(1, "Who set the fields.")] = ""
    operation: Annotated[str, F(2, "Apply or Update.")] = ""
    api_version: Annotated[str, F(3, "Version of the API in which the fields were set.")] = ""
    time: Annotated[Time | None, F(4, "When the entry last changed.")] = None
    fields_type: Annotated[str, F(6, "Form of the field set; FieldsV1.")] = ""
    fields_v1: Annotated[dict[str, Any] | None, F(7, "The set of fields.")] = None
    subresource: Annotated[str, F(8, "Through which subresource they were set.")] = ""


class ObjectMeta(Struct):
    """Name, identity and history of an object."""

    name: Annotated[str, F(1, "Unique within the namespace and kind; cannot change.")] = ""
    generate_name: Annotated[str, F(2, "Prefix from which the server makes a unique name when none is given.")] = ""
    namespace: Annotated[str, F(3, "The space in which the name is unique; cannot change.")] = ""
    uid: Annotated[str, F(5, "Unique in time and space; set by the server.")] = ""
    resource_version: Annotated[
        str, F(6, "Opaque version of the stored object: for optimistic locking and for watches.")
    ] = ""
    generation: Annotated[Int64, F(7, "Counts the changes of the wanted state; set by the server.")] = 0
    creation_timestamp: Annotated[Time | None, F(8, "When the server stored the object first.")] = None
    deletion_timestamp: Annotated[Time | None, F(9, "When the object is to be gone; set by a graceful deletion.")] = (
        None
    )
    deletion_grace_period_seconds: Annotated[
        Int64 | None, F(10, "Seconds that the object may take to end by itself.")
    ] = None
    labels: Annotated[dict[str, str], F(11, "Keys and values by which selectors find objects.", form="label")] = {}
    annotations: Annotated[
        dict[str, str], F(12, "Keys and values for tools; not for selection.", form="annotation")
    ] = {}
    owner_references: Annotated[list[OwnerReference], F(13, "Objects on which this one depends.", merge_key="uid")] = []
    finalizers: Annotated[
        list[str],
        F(14, "Names of those who must act before the object may go.", merge=True, form="qualified_name"),
    ] = []
    managed_fields: Annotated[list[ManagedFieldsEntry], F(17, "Which manager set which fields.")] = []


class Object(Struct):
    """Base of every kind: its type and its metadata."""

    api_version: Annotated[str, F(0, "Group and version of this representation, as in apps/v1.")] = ""
    kind: Annotated[str, F(0, "Kind of the object, in CamelCase.")] = ""
    metadata: Annotated[ObjectMeta, F(1, "Name, labels and history.")] = msgspec.field(default_factory=ObjectMeta)


class ListMeta(Struct):
    """Version of a list, and where the next piece of it begins."""

    resource_version: Annotated[str, F(2, "The state that the list shows; a watch may begin here.")] = ""
    continue_: Annotated[str, F(3, "Token for the next piece of a list cut by limit.")] = ""
    remaining_item_count: Annotated[Int64 | None, F(4, "How many objects come after this piece.")] = None


class LabelSelectorRequirement(Struct):
    """One term of a set-based selector."""

    key: Annotated[str, F(1, "The label's key.", listed=True, form="qualified_name")] = ""
    operator: Annotated[str, F(2, "In, NotIn, Exists or DoesNotExist.", listed=True, form="label_operator")] = ""
    values: Annotated[list[str], F(3, "Values for In and NotIn; empty for Exists and DoesNotExist.")] = []


class LabelSelector(Struct):
    """Picks objects by label; all terms must hold. An empty selector picks all."""

    whole: ClassVar = True
    match_labels: Annotated[dict[str, str], F(1, "Labels that must have these values.", form="label")] = {}
    match_expressions: Annotated[list[LabelSelectorRequirement], F(2, "Set-based terms.")] = []


class Condition(Struct):
    """One aspect of an object's state."""

    type: Annotated[str, F(1, "Name of the aspect.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True, enum=("True", "False", "Unknown"))] = ""
    observed_generation: Annotated[Int64, F(3, "The generation of the object that was judged.")] = 0
    last_transition_time: Annotated[Time | None, F(4, "When the status changed last.", required=True)] = None
    reason: Annotated[str, F(5, "CamelCase word for programs.", required=True)] = ""
    message: Annotated[str, F(6, "Sentence for people.", listed=True)] = ""


class StatusCause(Struct):
    """One reason of a refusal."""

    reason: Annotated[str, F(1, "CamelCase word, as FieldValueInvalid.")] = ""
    message: Annotated[str, F(2, "Sentence for people.")] = ""
    field: Annotated[str, F(3, "Path of the field at fault, as spec.ports[0].nodePort.")] = ""


class StatusDetails(Struct):
    """About which object a Status speaks, and why."""

    name: Annotated[str, F(1, "Name of the object.")] = ""
    group: Annotated[str, F(2, "API group of the object.")] = ""
    kind: Annotated[str, F(3, "Kind or resource name of the object.")] = ""
    uid: Annotated[str, F(6, "UID of the object.")] = ""
    causes: Annotated[list[StatusCause], F(4, "Each single reason.")] = []
    retry_after_seconds: Annotated[Int32, F(5, "When to try again.")] = 0


class Status(Struct):
    """The answer to a call that returns no object, above all an error."""

    kind: Annotated[str, F(0, "Status")] = msgspec.field(default_factory=lambda: "Status")
    api_version: Annotated[str, F(0, "v1")] = msgspec.field(default_factory=lambda: "v1")
    metadata: Annotated[ListMeta, F(1, "Version of the list, if any.")] = msgspec.field(default_factory=ListMeta)
    status: Annotated[str, F(2, "Success or Failure.")] = ""
    message: Annotated[str, F(3, "Sentence for people.")] = ""
    reason: Annotated[str, F(4, "CamelCase word for programs, as NotFound.")] = ""
    details: Annotated[StatusDetails | None, F(5, "About which object, and why.")] = None
    code: Annotated[Int32, F(6, "HTTP status code.")] = 0


class Preconditions(Struct):
    """What must hold of an object for it to be deleted."""

    uid: Annotated[str | None, F(1, "The object's UID.")] = None
    resource_version: Annotated[str | None, F(2, "The object's version.")] = None


class DeleteOptions(Struct):
    """How to delete."""

    api_version: Annotated[str, F(0, "Version of this representation.")] = ""
    kind: Annotated[str, F(0, "DeleteOptions")] = ""
    grace_period_seconds: Annotated[
        Int64 | None, F(1, "Seconds until the object is removed by force; 0 is at once.")
    ] = None
    preconditions: Annotated[Preconditions | None, F(2, "What must hold of the object.")] = None
    orphan_dependents: Annotated[bool | None, F(3, "Old form of propagationPolicy Orphan.")] = None
    propagation_policy: Annotated[
        str | None, F(4, "What happens to dependents.", enum=("Orphan", "Background", "Foreground"))
    ] = None
    dry_run: Annotated[list[str], F(5, "All: do everything but store.")] = []
