"""Lease (``coordination.k8s.io/v1``): who is alive, and who leads."""

from typing import Annotated

import msgspec

from api.meta import Object
from api.scalars import Int32, MicroTime
from api.struct import F, Struct


class LeaseSpec(Struct):
    """Who holds the lease, and until when."""

    holder_identity: Annotated[str | None, F(1, "Who holds it.")] = None
    lease_duration_seconds: Annotated[Int32 | None, F(2, "How long a renewal counts.", minimum=1)] = None
    acquire_time: Annotated[MicroTime | None, F(3, "When the holder got it.")] = None
    renew_time: Annotated[MicroTime | None, F(4, "When the holder renewed it last.")] = None
    lease_transitions: Annotated[Int32 | None, F(5, "How often the holder changed.", minimum=0)] = None


class Lease(Object):
    """A claim that must be renewed."""

    spec: Annotated[LeaseSpec, F(2, "Who holds it, and until when.")] = msgspec.field(default_factory=LeaseSpec)
