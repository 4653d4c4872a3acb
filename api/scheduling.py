"""How important pods are (``scheduling.k8s.io/v1``)."""

from typing import Annotated

from api.meta import Object
from api.scalars import Int32
from api.struct import F, always

GROUP = "scheduling.k8s.io"


class PriorityClass(Object):
    """A name for a priority of pods."""

    value: Annotated[Int32, F(2, "The priority; the greater, the more important.", immutable=True, listed=True)] = (
        always(int)
    )
    global_default: Annotated[bool, F(3, "Whether pods that name no class have this one.")] = False
    description: Annotated[str, F(4, "For what it is meant.")] = ""
    preemption_policy: Annotated[
        str | None,
        F(
            5,
            "Whether its pods may push others out.",
            default="PreemptLowerPriority",
            enum=("PreemptLowerPriority", "Never"),
            immutable=True,
        ),
    ] = None
