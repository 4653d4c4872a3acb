"""ReplicationController: keeps a number of alike pods running. PodTemplate: what such pods look like, on its own."""

from typing import Annotated

import msgspec

from api.core.pod import PodTemplateSpec
from api.meta import Object
from api.scalars import Int32, Int64, Time
from api.struct import F, Struct, always


class ReplicationControllerSpec(Struct):
    """Which pods, and how many."""

    replicas: Annotated[Int32 | None, F(1, "How many pods.", default=1, minimum=0)] = None
    min_ready_seconds: Annotated[Int32, F(4, "Seconds of being ready that make a pod available.", minimum=0)] = 0
    selector: Annotated[
        dict[str, str], F(2, "Labels of the pods that are counted; the template's by default.", form="label")
    ] = {}
    template: Annotated[PodTemplateSpec | None, F(3, "What new pods look like.", required=True, listed=False)] = None


class ReplicationControllerCondition(Struct):
    """One aspect of a replication controller's state."""

    type: Annotated[str, F(1, "As ReplicaFailure.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_transition_time: Annotated[Time | None, F(3, "When the status changed last.")] = None
    reason: Annotated[str, F(4, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(5, "Sentence for people.")] = ""


class ReplicationControllerStatus(Struct):
    """How many pods there are."""

    replicas: Annotated[Int32, F(1, "Pods that match the selector.", listed=True)] = always(int)
    fully_labeled_replicas: Annotated[Int32, F(2, "Pods with all labels of the template.")] = 0
    ready_replicas: Annotated[Int32, F(4, "Pods that are ready.")] = 0
    available_replicas: Annotated[Int32, F(5, "Pods ready for minReadySeconds.")] = 0
    observed_generation: Annotated[Int64, F(3, "The generation that this speaks of.")] = 0
    conditions: Annotated[list[ReplicationControllerCondition], F(6, "Aspects of its state.", merge_key="type")] = []


class ReplicationController(Object):
    """Keeps a number of alike pods running."""

    spec: Annotated[ReplicationControllerSpec, F(2, "Which pods, and how many.")] = msgspec.field(
        default_factory=ReplicationControllerSpec
    )
    status: Annotated[ReplicationControllerStatus, F(3, "How many there are.")] = msgspec.field(
        default_factory=ReplicationControllerStatus
    )


class PodTemplate(Object):
    """What pods look like, kept for others to copy."""

    template: Annotated[PodTemplateSpec | None, F(2, "What the pods look like.")] = None
