"""NodeMetrics and PodMetrics (``metrics.k8s.io/v1beta1``): what was used of late. Worked out, never stored."""

from typing import Annotated

from api.meta import Object
from api.scalars import Quantity, Time
from api.struct import F, Struct


class NodeMetrics(Object):
    """What a node uses."""

    timestamp: Annotated[Time | None, F(2, "When the usage was measured.")] = None
    window: Annotated[str, F(3, "Over how long, up to the timestamp: 15s.")] = ""
    usage: Annotated[dict[str, Quantity], F(4, "By resource: cpu, memory (its working set).")] = {}


class ContainerMetrics(Struct):
    """What one container uses."""

    name: Annotated[str, F(1, "Its name in the pod.", required=True)] = ""
    usage: Annotated[dict[str, Quantity], F(2, "By resource: cpu, memory (its working set).")] = {}


class PodMetrics(Object):
    """What a pod's containers use."""

    timestamp: Annotated[Time | None, F(2, "When the usage was measured.")] = None
    window: Annotated[str, F(3, "Over how long, up to the timestamp: 15s.")] = ""
    containers: Annotated[list[ContainerMetrics], F(4, "Each of them.")] = []
