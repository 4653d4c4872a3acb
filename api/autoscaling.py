"""Scale (``autoscaling/v1``): the size of anything that can be scaled."""

from typing import Annotated

import msgspec

from api.meta import Object
from api.scalars import Int32
from api.struct import F, Struct, always


class ScaleSpec(Struct):
    """The size that is wanted."""

    replicas: Annotated[Int32, F(1, "How many pods.", minimum=0)] = 0


class ScaleStatus(Struct):
    """The size that is."""

    replicas: Annotated[Int32, F(1, "How many pods.", listed=True)] = always(int)
    selector: Annotated[str, F(2, "Label selector of the pods, as text.")] = ""


class Scale(Object):
    """The size of something that can be scaled."""

    spec: Annotated[ScaleSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=ScaleSpec)
    status: Annotated[ScaleStatus, F(3, "What is.")] = msgspec.field(default_factory=ScaleStatus)
