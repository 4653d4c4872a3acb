"""POST of ``pods/NAME/binding`` or of ``bindings``: a pod is given its node, once."""

from typing import Any

from api.core import Binding, Pod, PodCondition
from api.errors import BadRequest, Conflict, invalid_object, required
from api.meta import Object, Status
from api.resources import resource_of
from api.scalars import now
from master.apiserver.backend import Backend
from master.apiserver.bodies import Expected, read_object
from master.apiserver.cache import Item
from master.apiserver.call import Call, Target
from master.apiserver.http.message import Response
from master.apiserver.operations.create import check_namespace
from master.apiserver.registry import conflict
from master.apiserver.rendering import struct_answer

_BINDING = Expected(Binding, "v1", "Binding")
_PODS = resource_of(Pod)


async def bind(backend: Backend, call: Call) -> Response:
    """Raises NotFound, Conflict for a pod that has a node, is another one, or is on its way out."""
    binding, warnings = read_object(call.request, _BINDING, Binding, validation=call.field_validation)
    call.warnings += warnings
    name = _pod_name(binding, call.target)
    _check(binding, name)
    registry, namespace = backend.registry, call.target.namespace

    async def attempt() -> None:
        item = registry.find(_PODS, namespace, name)
        pod = _bound(item, binding)
        if call.dry_run:
            return
        try:
            await registry.update(_PODS, pod, expected=item.revision)
        except Conflict as error:
            raise registry.overtaken(item, error) from error

    await registry.turns.take(registry.cache.table(_PODS).key(namespace, name), attempt)
    return struct_answer(call, Status(status="Success", code=201), 201)


def _pod_name(binding: Binding, target: Target) -> str:
    check_namespace(binding, target.namespace)
    name = binding.metadata.name
    if target.name and name != target.name:
        raise BadRequest("name in URL does not match name in Binding object")
    if not (target.name or name):
        raise invalid_object("", "Binding", "", [required("metadata.name", "name of the pod")])
    return target.name or name


def _check(binding: Binding, name: str) -> None:
    if binding.target.kind not in ("", "Node"):
        raise BadRequest(
            f'target.kind: Unsupported value: "{binding.target.kind}": supported values: "Node", "<empty>"'
        )
    if not binding.target.name:
        raise invalid_object("", "Binding", name, [required("target.name")])


def _bound(item: Item, binding: Binding) -> Object:
    """The pod with its node. Raises Conflict."""
    pod: Any = item.decode()
    name, uid = item.name, binding.metadata.uid
    if uid and uid != pod.metadata.uid:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod.metadata.uid}"
        raise conflict(_PODS, name, why, subresource="binding")
    if pod.metadata.deletion_timestamp is not None:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise conflict(_PODS, name, why, subresource="binding")
    if pod.spec.node_name:
        why = f'pod {name} is already assigned to node "{pod.spec.node_name}"'
        raise conflict(_PODS, name, why, subresource="binding")
    pod.spec.node_name = binding.target.name
    pod.metadata.annotations |= binding.metadata.annotations
    pod.status.conditions = [c for c in pod.status.conditions if c.type != "PodScheduled"]
    pod.status.conditions.append(PodCondition(type="PodScheduled", status="True", last_transition_time=now()))
    bound: Object = pod
    return bound
