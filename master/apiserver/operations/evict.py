"""POST of ``pods/NAME/eviction``: a pod is asked to leave its node, as ``kubectl drain`` does.

It is a graceful deletion that a disruption budget may refuse. The budget is charged first and the pod deleted then, so
that of several evictions no more go through than are allowed.
"""

from typing import Any

from msgspec.structs import replace

from api.core import Pod, PodCondition
from api.errors import BadRequest, Conflict, InternalError
from api.meta import DeleteOptions, Object, Preconditions, Status
from api.policy import Eviction, PodDisruptionBudget
from api.resources import resource_of
from api.scalars import now
from api.selectors import from_label_selector
from master.apiserver.backend import Backend
from master.apiserver.bodies import Expected, read_object
from master.apiserver.cache import Item
from master.apiserver.call import Call, is_dry_run
from master.apiserver.http.message import Response
from master.apiserver.operations.budgets import charged, is_spared, is_unbound
from master.apiserver.operations.create import check_namespace
from master.apiserver.operations.delete import check_policy, check_preconditions, delete_one
from master.apiserver.rendering import struct_answer

# kubectl before 1.22 knows only the second, which has the same fields.
_EVICTION = Expected(Eviction, "policy/v1", "Eviction", also=("policy/v1beta1",))
_PODS, _BUDGETS = resource_of(Pod), resource_of(PodDisruptionBudget)


async def evict(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Conflict for a precondition, TooManyRequests for a budget."""
    eviction, warnings = read_object(call.request, _EVICTION, Eviction, validation=call.field_validation)
    call.warnings += warnings
    if eviction.metadata.name != call.target.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    check_namespace(eviction, call.target.namespace)
    options = eviction.delete_options or DeleteOptions()
    if call.dry_run or is_dry_run(options.dry_run):
        options.dry_run = ["All"]
    check_policy(options)
    registry = backend.registry

    async def attempt() -> None:
        item = registry.find(_PODS, call.target.namespace, call.target.name)
        check_preconditions(item, options.preconditions)
        as_it_is = await _ask_budget(backend, item, dry_run=bool(options.dry_run))
        try:
            await delete_one(backend, item, _bound(options, item) if as_it_is else options, note=_disrupted)
        except Conflict as error:
            if not as_it_is:
                raise
            raise registry.overtaken(item, error) from error

    item = registry.find(_PODS, call.target.namespace, call.target.name)
    await registry.turns.take(f"{item.key}/eviction", attempt)
    return struct_answer(call, Status(status="Success", code=201), 201)


async def _ask_budget(backend: Backend, item: Item, *, dry_run: bool) -> bool:
    """Whether the pod may go only while it is as it was looked at, since no allowance was taken for it. Raises
    TooManyRequests."""
    pod: Any = item.decode()
    if is_unbound(pod):
        return pod.metadata.deletion_timestamp is None
    first = _budget_of(backend, item)
    if first is None:
        return False

    async def attempt() -> bool:
        found = _budget_of(backend, item)
        if found is None:
            return False
        budget: Any = found.decode()
        if is_spared(pod, budget):
            return True
        paid = charged(budget, item.name, now())
        if not dry_run:
            await _store(backend, found, paid)
        return False

    return await backend.registry.turns.take(first.key, attempt)


def _budget_of(backend: Backend, pod: Item) -> Item | None:
    """The one budget that counts the pod. Raises InternalError where there are more, as Kubernetes has it."""
    found = [item for item in backend.registry.cache.table(_BUDGETS).items(pod.namespace) if _counts(item, pod)]
    if len(found) > 1:
        raise _TooMany()
    return found[0] if found else None


def _counts(budget: Item, pod: Item) -> bool:
    decoded: Any = budget.decode()
    return from_label_selector(decoded.spec.selector).matches(pod.labels)


class _TooMany(InternalError):
    """Two budgets count one pod. The refusal has no reason, as that of Kubernetes."""

    reason = ""

    def __init__(self) -> None:
        super().__init__(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )


async def _store(backend: Backend, item: Item, budget: Object) -> None:
    """Raises Overtaken when the budget changed meanwhile and must be looked at again."""
    try:
        await backend.registry.update(_BUDGETS, budget, expected=item.revision)
    except Conflict as error:
        raise backend.registry.overtaken(item, error) from error


def _bound(options: DeleteOptions, item: Item) -> DeleteOptions:
    """The options, for the pod as it is now and no later one: it may have become ready meanwhile."""
    wanted = options.preconditions or Preconditions()
    version = wanted.resource_version or str(item.revision)
    return replace(options, preconditions=replace(wanted, resource_version=version))


def _disrupted(pod: Any) -> None:
    """Tells in the pod why it goes."""
    condition = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
        last_transition_time=now(),
    )
    pod.status.conditions = [*(one for one in pod.status.conditions if one.type != condition.type), condition]
