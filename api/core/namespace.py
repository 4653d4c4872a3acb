"""Namespace: a space in which names are unique."""

from typing import Annotated

import msgspec

from api.meta import Object
from api.scalars import Time
from api.struct import F, Struct


class NamespaceSpec(Struct):
    """What is wanted of a namespace."""

    finalizers: Annotated[list[str], F(1, "Who must act before it may go.")] = []


class NamespaceCondition(Struct):
    """One aspect of a namespace's state."""

    type: Annotated[str, F(1, "Name of the aspect.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_transition_time: Annotated[Time | None, F(4, "When the status changed last.")] = None
    reason: Annotated[str, F(5, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(6, "Sentence for people.")] = ""


class NamespaceStatus(Struct):
    """State of a namespace."""

    phase: Annotated[str, F(1, "Active or Terminating.", enum=("", "Active", "Terminating"))] = ""
    conditions: Annotated[list[NamespaceCondition], F(2, "Aspects of its state.", merge_key="type")] = []


class Namespace(Object):
    """A space in which names are unique."""

    spec: Annotated[NamespaceSpec, F(2, "What is wanted.")] = msgspec.field(default_factory=NamespaceSpec)
    status: Annotated[NamespaceStatus, F(3, "What is.")] = msgspec.field(default_factory=NamespaceStatus)
