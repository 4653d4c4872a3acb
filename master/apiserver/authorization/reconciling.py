"""Puts the default roles and bindings in place at every start, as Kubernetes does.

What is missing is made; a role gets the rules it lacks and a binding the subjects it lacks, so that what people added
stays. A binding of the wrong role is made anew. An object whose annotation
``rbac.authorization.kubernetes.io/autoupdate`` is "false" is left alone.
"""

import asyncio
import logging
from typing import Any

from api import defaulting
from api.codec import encode
from api.errors import AlreadyExists, Conflict, NotFound
from api.meta import Object
from api.rbac import ClusterRole
from api.resources import resource_of
from api.rules import uncovered
from master.apiserver.authorization.policy import AUTO_UPDATE, defaults
from master.apiserver.cache import Item
from master.apiserver.registry import Registry
from master.apiserver.strategies import prepare_create

log = logging.getLogger(__name__)


async def reconcile(registry: Registry) -> None:
    """All at once: the store makes one commit of them."""
    await asyncio.gather(*(_ensured(registry, wanted) for wanted in defaults()))


async def _ensured(registry: Registry, wanted: Object) -> None:
    try:
        await _ensure(registry, wanted)
    except (Conflict, NotFound) as error:
        # Another server that starts at this moment does the same work.
        log.info("left to another server name=%s error=%s", wanted.metadata.name, error)


async def _ensure(registry: Registry, wanted: Object) -> None:
    resource = resource_of(type(wanted))
    item = registry.cache.table(resource).get("", wanted.metadata.name)
    if item is None:
        await _make(registry, wanted)
        return
    old: Any = item.decode()
    if old.metadata.annotations.get(AUTO_UPDATE) == "false":
        return
    if not isinstance(wanted, ClusterRole) and _role(old) != _role(wanted):
        await registry.delete(item)
        await _make(registry, wanted)
        log.info("bound to its role again kind=%s name=%s", resource.kind, wanted.metadata.name)
        return
    await _complete(registry, item, old, wanted)


def _role(binding: Any) -> tuple[str, str]:
    return binding.role_ref.kind, binding.role_ref.name


async def _make(registry: Registry, wanted: Object) -> None:
    resource = resource_of(type(wanted))
    prepare_create(resource, wanted, "")
    defaulting.apply(wanted)
    try:
        await registry.create(resource, wanted)
    except AlreadyExists:
        log.debug("made by another server kind=%s name=%s", resource.kind, wanted.metadata.name)


async def _complete(registry: Registry, item: Item, old: Any, wanted: Any) -> None:
    """Adds to the present object what it lacks."""
    resource = item.table.resource
    old.metadata.labels |= wanted.metadata.labels
    old.metadata.annotations |= wanted.metadata.annotations
    if isinstance(wanted, ClusterRole):
        old.rules += uncovered(old.rules, wanted.rules)
        old.aggregation_rule = wanted.aggregation_rule
    else:
        old.subjects += [subject for subject in wanted.subjects if subject not in old.subjects]
    old.metadata.resource_version = ""
    if encode(old) == item.value:
        return
    await registry.update(resource, old, expected=item.revision)
    log.info("completed kind=%s name=%s", resource.kind, item.name)
