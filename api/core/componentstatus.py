"""ComponentStatus: health of the master's own parts. Worked out when asked for; never stored."""

from typing import Annotated

from api.meta import Object
from api.struct import F, Struct


class ComponentCondition(Struct):
    """One check of a component."""

    type: Annotated[str, F(1, "Healthy", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    message: Annotated[str, F(3, "What the component said.")] = ""
    error: Annotated[str, F(4, "What went wrong.")] = ""


class ComponentStatus(Object):
    """Health of one part of the master."""

    conditions: Annotated[list[ComponentCondition], F(2, "Its checks.", merge_key="type")] = []
