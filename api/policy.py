"""Eviction (``policy/v1``): a deletion that may be refused for the sake of those who use the pod."""

from typing import Annotated

from api.meta import DeleteOptions, Object
from api.struct import F


class Eviction(Object):
    """Asks a pod to leave its node."""

    delete_options: Annotated[DeleteOptions | None, F(2, "How to delete the pod.")] = None
