"""ReplicaSet and Deployment (``apps/v1``)."""

from typing import Annotated

import msgspec

from api.core.pod import PodTemplateSpec
from api.meta import LabelSelector, Object
from api.scalars import Int32, Int64, IntOrString, Time
from api.struct import F, Struct, always


class ReplicaSetSpec(Struct):
    """Which pods, and how many."""

    replicas: Annotated[Int32 | None, F(1, "How many pods.", default=1, minimum=0)] = None
    min_ready_seconds: Annotated[Int32, F(4, "Seconds of being ready that make a pod available.", minimum=0)] = 0
    selector: Annotated[LabelSelector | None, F(2, "Which pods are counted.", required=True, immutable=True)] = None
    template: Annotated[PodTemplateSpec | None, F(3, "What new pods look like.", required=True, listed=False)] = None


class ReplicaSetCondition(Struct):
    """One aspect of a replica set's state."""

    type: Annotated[str, F(1, "As ReplicaFailure.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_transition_time: Annotated[Time | None, F(3, "When the status changed last.")] = None
    reason: Annotated[str, F(4, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(5, "Sentence for people.")] = ""


class ReplicaSetStatus(Struct):
    """How many pods there are."""

    replicas: Annotated[Int32, F(1, "Pods that match the selector.", listed=True)] = always(int)
    fully_labeled_replicas: Annotated[Int32, F(2, "Pods with all labels of the template.")] = 0
    ready_replicas: Annotated[Int32, F(4, "Pods that are ready.")] = 0
    available_replicas: Annotated[Int32, F(5, "Pods ready for minReadySeconds.")] = 0
    observed_generation: Annotated[Int64, F(3, "The generation that this speaks of.")] = 0
    conditions: Annotated[list[ReplicaSetCondition], F(6, "Aspects of its state.", merge_key="type")] = []


class ReplicaSet(Object):
    """Keeps a number of alike pods running."""

    spec: Annotated[ReplicaSetSpec, F(2, "Which pods, and how many.")] = msgspec.field(default_factory=ReplicaSetSpec)
    status: Annotated[ReplicaSetStatus, F(3, "How many there are.")] = msgspec.field(default_factory=ReplicaSetStatus)


class RollingUpdateDeployment(Struct):
    """How far a rolling update may stray from the wanted number: a number of pods, or a share such as 25%."""

    max_unavailable: Annotated[IntOrString | None, F(1, "How many pods may be missing.", default="25%")] = None
    max_surge: Annotated[IntOrString | None, F(2, "How many pods may be too many.", default="25%")] = None


class DeploymentStrategy(Struct):
    """How old pods are replaced by new ones."""

    type: Annotated[
        str, F(1, "All at once, or a few at a time.", default="RollingUpdate", enum=("Recreate", "RollingUpdate"))
    ] = ""
    rolling_update: Annotated[RollingUpdateDeployment | None, F(2, "For RollingUpdate.")] = None


class DeploymentSpec(Struct):
    """Which pods, how many, and how they are replaced."""

    replicas: Annotated[Int32 | None, F(1, "How many pods.", default=1, minimum=0)] = None
    selector: Annotated[LabelSelector | None, F(2, "Which pods are counted.", required=True, immutable=True)] = None
    template: Annotated[PodTemplateSpec | None, F(3, "What new pods look like.", required=True)] = None
    strategy: Annotated[DeploymentStrategy | None, F(4, "How pods are replaced.", retain_keys=True)] = None
    min_ready_seconds: Annotated[Int32, F(5, "Seconds of being ready that make a pod available.", minimum=0)] = 0
    revision_history_limit: Annotated[Int32 | None, F(6, "Old replica sets to keep.", default=10, minimum=0)] = None
    paused: Annotated[bool, F(7, "Changes of the template wait.")] = False
    progress_deadline_seconds: Annotated[
        Int32 | None, F(9, "Seconds without progress that count as failure.", default=600, minimum=1)
    ] = None


class DeploymentCondition(Struct):
    """One aspect of a deployment's state."""

    type: Annotated[str, F(1, "Available, Progressing or ReplicaFailure.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_update_time: Annotated[Time | None, F(6, "When it was looked at last.")] = None
    last_transition_time: Annotated[Time | None, F(7, "When the status changed last.")] = None
    reason: Annotated[str, F(4, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(5, "Sentence for people.")] = ""


class DeploymentStatus(Struct):
    """How far the replacement has come."""

    observed_generation: Annotated[Int64, F(1, "The generation that this speaks of.")] = 0
    replicas: Annotated[Int32, F(2, "Pods in all.")] = 0
    updated_replicas: Annotated[Int32, F(3, "Pods of the newest template.")] = 0
    ready_replicas: Annotated[Int32, F(7, "Pods that are ready.")] = 0
    available_replicas: Annotated[Int32, F(4, "Pods ready for minReadySeconds.")] = 0
    unavailable_replicas: Annotated[Int32, F(5, "Pods that are missing.")] = 0
    conditions: Annotated[list[DeploymentCondition], F(6, "Aspects of its state.", merge_key="type")] = []
    collision_count: Annotated[Int32 | None, F(8, "Clashes of replica set names.")] = None


class Deployment(Object):
    """Keeps pods running and replaces them when their template changes."""

    spec: Annotated[DeploymentSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=DeploymentSpec)
    status: Annotated[DeploymentStatus, F(3, "How far it has come.")] = msgspec.field(default_factory=DeploymentStatus)
