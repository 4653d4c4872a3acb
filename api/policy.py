"""Eviction and PodDisruptionBudget (``policy/v1``): a deletion that may be refused, and what it is refused for."""

from typing import Annotated

import msgspec

from api.meta import Condition, DeleteOptions, LabelSelector, Object
from api.scalars import Int32, Int64, IntOrString, Time
from api.struct import F, Struct, always


class Eviction(Object):
    """Asks a pod to leave its node."""

    delete_options: Annotated[DeleteOptions | None, F(2, "How to delete the pod.")] = None


class PodDisruptionBudgetSpec(Struct):
    """How many pods may be missing: a number, or a share such as 25%."""

    min_available: Annotated[IntOrString | None, F(1, "How many must stay.")] = None
    selector: Annotated[LabelSelector | None, F(2, "Which pods.")] = None
    max_unavailable: Annotated[IntOrString | None, F(3, "How many may be missing.")] = None
    unhealthy_pod_eviction_policy: Annotated[
        str | None, F(4, "Whether a pod that is not ready may go.", enum=("IfHealthyBudget", "AlwaysAllow"))
    ] = None


class PodDisruptionBudgetStatus(Struct):
    """How many may be missing now."""

    observed_generation: Annotated[Int64, F(1, "The generation that this speaks of.")] = 0
    disrupted_pods: Annotated[dict[str, Time], F(2, "Pods that were told to go, and when.")] = {}
    disruptions_allowed: Annotated[Int32, F(3, "How many more may go.")] = always(int)
    current_healthy: Annotated[Int32, F(4, "Pods that are ready.")] = always(int)
    desired_healthy: Annotated[Int32, F(5, "Pods that must be ready.")] = always(int)
    expected_pods: Annotated[Int32, F(6, "Pods in all.")] = always(int)
    conditions: Annotated[list[Condition], F(7, "Aspects of its state.", merge_key="type")] = []


class PodDisruptionBudget(Object):
    """Holds up evictions that would leave too few pods."""

    spec: Annotated[PodDisruptionBudgetSpec, F(2, "How many pods may be missing.")] = msgspec.field(
        default_factory=PodDisruptionBudgetSpec
    )
    status: Annotated[PodDisruptionBudgetStatus, F(3, "How many may be missing now.")] = msgspec.field(
        default_factory=PodDisruptionBudgetStatus
    )
