"""Who owns an object, and how ownership is written down."""

from api.meta import Object, OwnerReference
from api.resources import resource_of


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
