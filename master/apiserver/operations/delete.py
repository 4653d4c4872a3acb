"""DELETE of an object or of a collection.

A pod that was given a node is only marked, with the time by which it is to be gone: its node ends it and deletes it
with a grace of 0. An object with finalizers is marked until the last of them is taken off. A namespace is marked
until its controller has emptied it. Everything else is gone at once. What depends on an object is the garbage
collector's work: ``Orphan`` and ``Foreground`` leave it a finalizer, which it takes off when the dependents are free,
or gone.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from api.codec import decode, encode
from api.errors import BadRequest, Conflict, FieldError, Forbidden, NotFound, invalid, invalid_object, not_supported
from api.meta import DeleteOptions, Object, Preconditions, StatusDetails
from api.resources import Resource
from api.scalars import now
from master.apiserver.backend import Backend
from master.apiserver.bodies import Expected, json_of, media_type
from master.apiserver.cache import Item
from master.apiserver.call import Call, is_dry_run
from master.apiserver.decode_errors import explain
from master.apiserver.http.message import Response, Stream
from master.apiserver.operations.ending import Ending, ending_of, is_marked, marked
from master.apiserver.operations.list import page_of
from master.apiserver.rendering import list_answer, object_answer, struct_answer
from master.apiserver.responses import success
from master.apiserver.selection import selection_of

_POLICIES = ("Orphan", "Background", "Foreground")
# Taken off by the garbage collector when the dependents are free, or gone.
_FINALIZERS = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}
_PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
_AT_ONCE = 100
Note = Callable[[Any], None]
# Kinds of which Kubernetes answers the object, and not only that it is gone.
_SHOWN_WHEN_GONE = frozenset(
    (
        *("CSIDriver", "CSINode", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate"),
        *("ResourceQuota", "Service", "ServiceAccount", "StorageClass"),
    )
)
# The garbage collector does not look at these: a finalizer of a policy would never be taken off.
_UNCOLLECTED = ("Event", "Lease")


async def delete(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Conflict for a precondition, Forbidden for what must stay."""
    target, options = call.target, read_options(call)
    if options.preconditions is not None:
        await backend.registry.reach_named(options.preconditions.resource_version or "")
    item = backend.registry.find(target.resource, target.namespace, target.name)
    wire, gone = await delete_one(backend, item, options)
    if gone and target.resource.kind not in _SHOWN_WHEN_GONE:
        return struct_answer(call, success(target.resource, target.name, item.decode().metadata.uid))
    return object_answer(call, _as_gone(item, wire) if gone and target.resource.kind == "Pod" else wire)


def _as_gone(item: Item, wire: bytes) -> bytes:
    """A pod that nobody had to wait for is answered as Kubernetes does it: with the moment and no time to end."""
    if is_marked(wire):
        return wire
    at = item.table.offset
    return wire[:at] + b'"deletionTimestamp":' + encode(now()) + b',"deletionGracePeriodSeconds":0,' + wire[at:]


async def delete_collection(backend: Backend, call: Call) -> Response | Stream:
    """All that the selection picks, or as many as ``limit`` says; answers with what was there. Raises as list, and
    what a deletion raises."""
    options = read_options(call)
    items, meta = page_of(backend, call, selection_of(call))
    for start in range(0, len(items), _AT_ONCE):
        deletions = [_delete_if_there(backend, item, options) for item in items[start : start + _AT_ONCE]]
        await asyncio.gather(*deletions)
    return list_answer(call, [item.wire for item in items], meta)


async def _delete_if_there(backend: Backend, item: Item, options: DeleteOptions) -> None:
    try:
        await delete_one(backend, item, options)
    except NotFound:
        return


def read_options(call: Call) -> DeleteOptions:
    """From the body, or from the query. Raises BadRequest."""
    if not call.request.body and not call.request.raw_query:
        return DeleteOptions()
    options = _options_in_body(call) if call.request.body.strip() else DeleteOptions()
    if (grace := call.number("gracePeriodSeconds")) is not None:
        options.grace_period_seconds = grace
    options.propagation_policy = call.option("propagationPolicy") or options.propagation_policy
    if options.orphan_dependents is None and "orphanDependents" in call.request.query:
        options.orphan_dependents = call.flag("orphanDependents")
    if call.dry_run or is_dry_run(options.dry_run):
        options.dry_run = ["All"]
    check_policy(options)
    return options


def check_policy(options: DeleteOptions) -> None:
    """Raises Invalid."""
    if errors := _policy_errors(options):
        raise invalid_object("meta.k8s.io", "DeleteOptions", "", errors)


def _policy_errors(options: DeleteOptions) -> list[FieldError]:
    policy = options.propagation_policy
    if policy and options.orphan_dependents is not None:
        return [invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")]
    if policy not in (None, *_POLICIES):
        return [not_supported("propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil"))]
    return []


def _options_in_body(call: Call) -> DeleteOptions:
    expected = Expected(DeleteOptions, "v1", "DeleteOptions")
    data = json_of(call.request.body, media_type(call.request), expected)
    try:
        options = decode(data, DeleteOptions)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why = explain(error, DeleteOptions, None) if isinstance(error, msgspec.MsgspecError) else str(error)
        raise BadRequest(f"DeleteOptions cannot be read: {why}") from error
    if options.kind not in ("", expected.kind):
        raise BadRequest(f'no kind "{options.kind[:80]}" is registered for version "{options.api_version[:80]}" here')
    return options


async def delete_one(
    backend: Backend, item: Item, options: DeleteOptions, *, note: Note | None = None
) -> tuple[bytes, bool]:
    """Deletes or marks; returns the object's bytes as they were last, and whether it is gone. ``note`` writes into an
    object that is marked why it goes."""
    registry = backend.registry
    _check_deletable(item)

    async def attempt() -> tuple[bytes, bool]:
        present = registry.present(item)
        check_preconditions(present, options.preconditions)
        try:
            return await _delete_version(backend, present, options, note)
        except Conflict as error:
            raise registry.overtaken(present, error) from error

    return await registry.turns.take(item.key, attempt)


def _check_deletable(item: Item) -> None:
    resource = item.table.resource
    if resource.kind == "Namespace" and item.name in _PROTECTED_NAMESPACES:
        details = StatusDetails(name=item.name, kind=resource.plural)
        raise Forbidden(f'namespaces "{item.name}" is forbidden: this namespace may not be deleted', details=details)


def check_preconditions(item: Item, wanted: Preconditions | None) -> None:
    """Raises Conflict when the object is another one, or of another version, than the client means."""
    if wanted is None:
        return
    resource = item.table.resource
    if wanted.uid is not None and wanted.uid != (uid := item.decode().metadata.uid):
        why = f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({uid}). "
        raise _unmet(resource, item.name, why + "The object might have been deleted and then recreated")
    if wanted.resource_version is not None and wanted.resource_version != str(item.revision):
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the ResourceVersion "
            f"in record ({item.revision}). The object might have been modified"
        )
        raise _unmet(resource, item.name, why)


def _unmet(resource: Resource, name: str, why: str) -> Conflict:
    """By the kind, as Kubernetes tells it here and nowhere else."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = StatusDetails(name=name, group=resource.group, kind=resource.kind)
    return Conflict(f'Operation cannot be fulfilled on {kind} "{name}": {why}', details=details)


async def _delete_version(
    backend: Backend, item: Item, options: DeleteOptions, note: Note | None
) -> tuple[bytes, bool]:
    ending = ending_of(item)
    finalizers = _finalizers(item, ending, options)
    mark = _marked(ending, finalizers, options)
    if options.dry_run:
        return _as_marked(item, mark, finalizers, options), mark is None
    if mark is None:
        revision = await backend.registry.delete(item)
        return item.wire_at(revision), True
    if not mark:
        return item.wire, False
    obj = item.decode()
    if note is not None and obj.metadata.deletion_timestamp is None:
        note(obj)
    _marked(obj, finalizers, options)
    return await backend.registry.update(item.table.resource, obj, expected=item.revision), False


def _marked(item: Object | Ending, finalizers: list[str], options: DeleteOptions) -> bool | None:
    """As ``marked``, with the finalizer of a policy."""
    changed = finalizers != item.metadata.finalizers
    item.metadata.finalizers = finalizers
    mark = marked(item, options.grace_period_seconds)
    return mark if mark is None else mark or changed


def _as_marked(item: Item, mark: bool | None, finalizers: list[str], options: DeleteOptions) -> bytes:
    """What a dry run shows: the object as it would be."""
    if not mark:
        return item.wire
    obj = item.decode()
    _marked(obj, finalizers, options)
    return encode(obj)


def _finalizers(item: Item, ending: Ending, options: DeleteOptions) -> list[str]:
    """Those that the object has from now on: one of the policy in place of any other policy's."""
    present = ending.metadata.finalizers
    kind = item.table.resource.kind
    if kind in _UNCOLLECTED or ending.metadata.deletion_grace_period_seconds:
        # The second: a pod that is ending already keeps the policy it ends by.
        return present
    wanted = _FINALIZERS.get(_policy(kind, present, options), "")
    others = [name for name in present if name not in _FINALIZERS.values()]
    if not wanted:
        return others
    return present if wanted in present and len(others) + 1 == len(present) else [*others, wanted]


def _policy(kind: str, finalizers: list[str], options: DeleteOptions) -> str:
    """What the client says; or a finalizer of the object; or what the kind is used to: in v1, the pods of a
    ReplicationController stay, as they did before there were policies."""
    if options.orphan_dependents is not None:
        return "Orphan" if options.orphan_dependents else "Background"
    if options.propagation_policy:
        return options.propagation_policy
    for policy, finalizer in _FINALIZERS.items():
        if finalizer in finalizers:
            return policy
    return "Orphan" if kind == "ReplicationController" else "Background"
