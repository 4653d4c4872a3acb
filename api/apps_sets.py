"""StatefulSet and DaemonSet (``apps/v1``)."""

from typing import Annotated

import msgspec

from api.core.pod import PodTemplateSpec
from api.core.storage import PersistentVolumeClaim
from api.meta import LabelSelector, Object
from api.scalars import Int32, Int64, IntOrString, Time
from api.struct import F, Struct, always


class RollingUpdateStatefulSetStrategy(Struct):
    """Which pods of a stateful set are replaced."""

    partition: Annotated[Int32 | None, F(1, "Pods from this ordinal on.", default=0, minimum=0)] = None
    max_unavailable: Annotated[IntOrString | None, F(2, "How many pods may be missing.")] = None


class StatefulSetUpdateStrategy(Struct):
    """How the pods of a stateful set are replaced."""

    type: Annotated[
        str,
        F(1, "By the set, or when deleted.", default="RollingUpdate", enum=("RollingUpdate", "OnDelete")),
    ] = ""
    rolling_update: Annotated[RollingUpdateStatefulSetStrategy | None, F(2, "For RollingUpdate.")] = None


class StatefulSetPersistentVolumeClaimRetentionPolicy(Struct):
    """What becomes of the claims."""

    when_deleted: Annotated[str, F(1, "When the set is gone.", enum=("Retain", "Delete"))] = ""
    when_scaled: Annotated[str, F(2, "When their pod is too many.", enum=("Retain", "Delete"))] = ""


class StatefulSetOrdinals(Struct):
    """How pods are numbered."""

    start: Annotated[Int32, F(1, "The first number.", minimum=0)] = always(int)


class StatefulSetSpec(Struct):
    """Which pods, how many, with which storage."""

    replicas: Annotated[Int32 | None, F(1, "How many pods.", default=1, minimum=0)] = None
    selector: Annotated[LabelSelector | None, F(2, "Which pods are counted.", required=True)] = None
    template: Annotated[PodTemplateSpec | None, F(3, "What new pods look like.", required=True)] = None
    volume_claim_templates: Annotated[list[PersistentVolumeClaim], F(4, "Claims that each pod has of its own.")] = []
    service_name: Annotated[str, F(5, "Service that gives the pods their names.", listed=True)] = ""
    pod_management_policy: Annotated[
        str,
        F(
            6,
            "One after the other, or all at once.",
            default="OrderedReady",
            enum=("OrderedReady", "Parallel"),
        ),
    ] = ""
    update_strategy: Annotated[StatefulSetUpdateStrategy | None, F(7, "How pods are replaced.")] = None
    revision_history_limit: Annotated[Int32 | None, F(8, "Old revisions to keep.", default=10, minimum=0)] = None
    min_ready_seconds: Annotated[Int32, F(9, "Seconds of being ready that make a pod available.", minimum=0)] = 0
    persistent_volume_claim_retention_policy: Annotated[
        StatefulSetPersistentVolumeClaimRetentionPolicy | None, F(10, "What becomes of the claims.")
    ] = None
    ordinals: Annotated[StatefulSetOrdinals | None, F(11, "How pods are numbered.")] = None


class StatefulSetCondition(Struct):
    """One aspect of a stateful set's state."""

    type: Annotated[str, F(1, "Name of the aspect.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_transition_time: Annotated[Time | None, F(3, "When the status changed last.")] = None
    reason: Annotated[str, F(4, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(5, "Sentence for people.")] = ""


class StatefulSetStatus(Struct):
    """How many pods there are."""

    observed_generation: Annotated[Int64, F(1, "The generation that this speaks of.")] = 0
    replicas: Annotated[Int32, F(2, "Pods in all.", listed=True)] = always(int)
    ready_replicas: Annotated[Int32, F(3, "Pods that are ready.")] = 0
    current_replicas: Annotated[Int32, F(4, "Pods of the current revision.")] = 0
    updated_replicas: Annotated[Int32, F(5, "Pods of the revision to come.")] = 0
    current_revision: Annotated[str, F(6, "Revision of the first pods.")] = ""
    update_revision: Annotated[str, F(7, "Revision of the last pods.")] = ""
    collision_count: Annotated[Int32 | None, F(9, "Clashes of revision names.")] = None
    conditions: Annotated[list[StatefulSetCondition], F(10, "Aspects of its state.", merge_key="type")] = []
    available_replicas: Annotated[Int32, F(11, "Pods ready for minReadySeconds.")] = always(int)


class StatefulSet(Object):
    """Keeps numbered pods running, each with a name and storage of its own."""

    spec: Annotated[StatefulSetSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=StatefulSetSpec)
    status: Annotated[StatefulSetStatus, F(3, "How many there are.")] = msgspec.field(default_factory=StatefulSetStatus)


class RollingUpdateDaemonSet(Struct):
    """How far a rolling update may stray: a number of pods, or a share such as 25%."""

    max_unavailable: Annotated[IntOrString | None, F(1, "How many pods may be missing.")] = None
    max_surge: Annotated[IntOrString | None, F(2, "How many nodes may have two.")] = None


class DaemonSetUpdateStrategy(Struct):
    """How the pods of a daemon set are replaced."""

    type: Annotated[
        str,
        F(1, "By the set, or when deleted.", default="RollingUpdate", enum=("RollingUpdate", "OnDelete")),
    ] = ""
    rolling_update: Annotated[RollingUpdateDaemonSet | None, F(2, "For RollingUpdate.")] = None


class DaemonSetSpec(Struct):
    """Which pod each node has."""

    selector: Annotated[LabelSelector | None, F(1, "Which pods are counted.", required=True, immutable=True)] = None
    template: Annotated[PodTemplateSpec | None, F(2, "What new pods look like.", required=True)] = None
    update_strategy: Annotated[DaemonSetUpdateStrategy | None, F(3, "How pods are replaced.")] = None
    min_ready_seconds: Annotated[Int32, F(4, "Seconds of being ready that make a pod available.", minimum=0)] = 0
    revision_history_limit: Annotated[Int32 | None, F(6, "Old revisions to keep.", default=10, minimum=0)] = None


class DaemonSetCondition(Struct):
    """One aspect of a daemon set's state."""

    type: Annotated[str, F(1, "Name of the aspect.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_transition_time: Annotated[Time | None, F(3, "When the status changed last.")] = None
    reason: Annotated[str, F(4, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(5, "Sentence for people.")] = ""


class DaemonSetStatus(Struct):
    """On how many nodes its pods are."""

    current_number_scheduled: Annotated[Int32, F(1, "Nodes that have the pod and should.", listed=True)] = always(int)
    number_misscheduled: Annotated[Int32, F(2, "Nodes that have the pod and should not.", listed=True)] = always(int)
    desired_number_scheduled: Annotated[Int32, F(3, "Nodes that should have the pod.", listed=True)] = always(int)
    number_ready: Annotated[Int32, F(4, "Nodes whose pod is ready.", listed=True)] = always(int)
    observed_generation: Annotated[Int64, F(5, "The generation that this speaks of.")] = 0
    updated_number_scheduled: Annotated[Int32, F(6, "Nodes with the pod of the newest template.")] = 0
    number_available: Annotated[Int32, F(7, "Nodes whose pod is ready for minReadySeconds.")] = 0
    number_unavailable: Annotated[Int32, F(8, "Nodes that should have such a pod and have none.")] = 0
    collision_count: Annotated[Int32 | None, F(9, "Clashes of revision names.")] = None
    conditions: Annotated[list[DaemonSetCondition], F(10, "Aspects of its state.", merge_key="type")] = []


class DaemonSet(Object):
    """Keeps a pod running on each node."""

    spec: Annotated[DaemonSetSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=DaemonSetSpec)
    status: Annotated[DaemonSetStatus, F(3, "How many there are.")] = msgspec.field(default_factory=DaemonSetStatus)
