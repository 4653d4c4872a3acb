"""The generated check of a whole object says the same as the walk that names each fault."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import convert
from api.core import Node, Pod, ReplicationController, Service
from api.meta import Object
from api.resources import RESOURCES
from api.schema import FieldSchema, Shape, fields_of
from api.struct import Struct
from api.validation.declared import _checked, _field_errors
from api.validation.quick import checker

_WORDS = st.sampled_from(["", "a", "A_b", "x" * 70, "a/b", "-", "1.2.3.4", "../x", "Always", "TCP", "In", "http", "é"])
_NUMBERS = st.sampled_from([0, 1, -1, 80, 65535, 65536, 2**31 - 1])


def _value(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    match shape.form:
        case "struct" if shape.struct is not None:
            return _part(shape.struct, depth - 1)
        case "list" if shape.item is not None:
            return st.lists(_value(shape.item, depth), max_size=2)
        case "map" if shape.item is not None:
            return st.dictionaries(_WORDS, _value(shape.item, depth), max_size=2)
        case "integer":
            return _NUMBERS
        case "boolean":
            return st.booleans()
        case "quantity":
            return st.sampled_from(["1", "100m", "1Gi"])
        case "intorstring":
            return _NUMBERS | _WORDS
        case _:
            return _WORDS


def _plain(field: FieldSchema) -> bool:
    shape = field.shape.item or field.shape
    return shape.form not in ("time", "microtime", "bytes", "any") and field.wire not in ("apiVersion", "kind")


def _part(kind: type[Struct], depth: int) -> st.SearchStrategy[dict[str, Any]]:
    if depth <= 0:
        return st.just({})
    fields = [field for field in fields_of(kind) if _plain(field)]
    if not fields:
        return st.just({})
    return st.lists(st.sampled_from(fields), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({field.wire: _value(field.shape, depth) for field in chosen})
    )


@pytest.mark.parametrize("kind", [Pod, ReplicationController, Service, Node])
def test_on_whatever_can_be_decoded(kind: type[Object]) -> None:
    @given(_part(kind, 5))
    def agrees(document: dict[str, Any]) -> None:
        try:
            item = convert(document, kind)
        except msgspec.ValidationError:
            return
        slow = [error for field in _checked(kind) for error in _field_errors(item, field, "")]
        assert checker(kind, _checked)(item) is (not slow), slow

    agrees()


def test_every_kind_has_a_quick_check() -> None:
    for resource in RESOURCES:
        checker(resource.type, _checked)
