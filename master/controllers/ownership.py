"""Who owns an object, and how ownership is written down."""

from api.errors import Conflict, NotFound
from api.meta import Object, OwnerReference
from api.resources import resource_of
from client import Client


def controller_of(item: Object) -> OwnerReference | None:
    """The one owner that manages an object."""
    for owner in item.metadata.owner_references:
        if owner.controller:
            return owner
    return None


def reference(owner: Object, *, controller: bool = True) -> OwnerReference:
    """The reference that makes an object depend on ``owner``."""
    resource = resource_of(type(owner))
    return OwnerReference(
        api_version=resource.api_version,
        kind=resource.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=controller,
        block_owner_deletion=True,
    )


def check_may_adopt(client: Client, owner: Object) -> None:
    """Raises Conflict when the API server itself does not have the owner any more, or is about to remove it: a slow
    watch must not have it take back what its own deletion has just freed. That would be collected with it.
    """
    meta, kind = owner.metadata, resource_of(type(owner)).kind
    try:
        live = client.get(type(owner), meta.name, meta.namespace).metadata
    except NotFound as gone:
        raise Conflict(f"{kind} {meta.namespace}/{meta.name} has gone: it adopts nothing") from gone
    if live.uid != meta.uid or live.deletion_timestamp is not None:
        raise Conflict(f"{kind} {meta.namespace}/{meta.name} has just been deleted: it adopts nothing")
