"""A delete reads the whole object only when it is to be written again: the few fields must decide as the whole does."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import encode
from api.core import ConfigMap, Namespace, NamespaceSpec, Pod, PodSpec, PodStatus
from api.meta import Object, ObjectMeta
from api.resources import resource_of
from api.scalars import now
from master.apiserver.cache import Item, Table
from master.apiserver.operations.ending import ending_of, is_released, marked
from master.store.contract import Change

FINALIZERS = st.lists(st.sampled_from(["a/b", "orphan"]), unique=True)
GRACE = st.sampled_from([None, -1, 0, 1, 30])
METADATA = st.builds(
    ObjectMeta,
    name=st.just("x"),
    namespace=st.just("n"),
    generation=st.sampled_from([0, 3]),
    deletion_timestamp=st.sampled_from([None, now() + timedelta(seconds=20)]),
    deletion_grace_period_seconds=GRACE,
    finalizers=FINALIZERS,
)
PODS = st.builds(
    Pod,
    metadata=METADATA,
    spec=st.builds(PodSpec, node_name=st.sampled_from(["", "n1"]), termination_grace_period_seconds=GRACE),
    status=st.builds(PodStatus, phase=st.sampled_from(["", "Pending", "Running", "Succeeded", "Failed"])),
)
NAMESPACES = st.builds(Namespace, metadata=METADATA, spec=st.builds(NamespaceSpec, finalizers=FINALIZERS))
OBJECTS = st.one_of(PODS, NAMESPACES, st.builds(ConfigMap, metadata=METADATA))


def stored(obj: Object) -> Item:
    resource = resource_of(type(obj))
    table = Table(resource)
    obj.api_version, obj.kind = resource.api_version, resource.kind
    key = table.key(obj.metadata.namespace, obj.metadata.name)
    table.apply(Change(key, encode(obj), None, 1, created=True))
    item = table.by_key(key)
    assert item is not None
    return item


def told(item: Any) -> tuple[Any, ...]:
    metadata = item.metadata
    return metadata.deletion_grace_period_seconds, metadata.generation, metadata.finalizers, is_released(item)


@given(OBJECTS, GRACE)
def test_the_few_fields_decide_as_the_whole_object_does(obj: Object, asked: int | None) -> None:
    item = stored(obj)
    few, whole = ending_of(item), item.decode()
    assert told(few) == told(whole)
    assert marked(few, asked) is marked(whole, asked)
    assert told(few) == told(whole)


@pytest.mark.parametrize(("node", "goes"), [("", None), ("n1", True)])
def test_a_pod_on_a_node_is_marked_and_another_one_goes(node: str, goes: bool | None) -> None:
    pod = Pod(metadata=ObjectMeta(name="p", namespace="n"), spec=PodSpec(node_name=node))
    assert marked(ending_of(stored(pod)), None) is goes
