"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386)."""

import copy
from typing import Any

import pytest

from api.errors import ApiError, BadRequest, Invalid
from api.patching import json_patch, merge_patch

DEEP: Any = 1
for _ in range(5000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        pytest.param(
            {"foo": "bar"},
            [{"op": "add", "path": "/baz", "value": "qux"}],
            {"baz": "qux", "foo": "bar"},
            id="A.1 adding an object member",
        ),
        pytest.param(
            {"foo": ["bar", "baz"]},
            [{"op": "add", "path": "/foo/1", "value": "qux"}],
            {"foo": ["bar", "qux", "baz"]},
            id="A.2 adding an array element",
        ),
        pytest.param(
            {"baz": "qux", "foo": "bar"},
            [{"op": "remove", "path": "/baz"}],
            {"foo": "bar"},
            id="A.3 removing an object member",
        ),
        pytest.param(
            {"foo": ["bar", "qux", "baz"]},
            [{"op": "remove", "path": "/foo/1"}],
            {"foo": ["bar", "baz"]},
            id="A.4 removing an array element",
        ),
        pytest.param(
            {"baz": "qux", "foo": "bar"},
            [{"op": "replace", "path": "/baz", "value": "boo"}],
            {"baz": "boo", "foo": "bar"},
            id="A.5 replacing a value",
        ),
        pytest.param(
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
            id="A.6 moving a value",
        ),
        pytest.param(
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
            id="A.7 moving an array element",
        ),
        pytest.param(
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
            {"baz": "qux", "foo": ["a", 2, "c"]},
            id="A.8 testing a value: success",
        ),
        pytest.param(
            {"foo": "bar"},
            [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
            {"foo": "bar", "child": {"grandchild": {}}},
            id="A.10 adding a nested member object",
        ),
        pytest.param(
            {"foo": "bar"},
            [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
            {"foo": "bar", "baz": "qux"},
            id="A.11 ignoring unrecognized elements",
        ),
        pytest.param(
            {"/": 9, "~1": 10},
            [{"op": "test", "path": "/~01", "value": 10}],
            {"/": 9, "~1": 10},
            id="A.14 escape ordering",
        ),
        pytest.param(
            {"foo": ["bar"]},
            [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
            {"foo": ["bar", ["abc", "def"]]},
            id="A.16 adding an array value",
        ),
        pytest.param({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}, id="the whole document"),
        pytest.param({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}, id="the member without a name"),
        pytest.param({"a": 1}, [{"op": "add", "path": "/a", "value": None}], {"a": None}, id="null is a value"),
        pytest.param({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}, id="copying"),
        pytest.param({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}, id="moving nowhere"),
        pytest.param(
            {"a": {"b": [1.0]}}, [{"op": "test", "path": "/a", "value": {"b": [1]}}], {"a": {"b": [1.0]}}, id="1 is 1.0"
        ),
    ],
)
def test_json_patch_applies(document: dict[str, Any], patch: Any, result: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    assert json_patch(document, patch) == result
    assert document == before, "the original is not changed"


@pytest.mark.parametrize(
    ("document", "patch"),
    [
        pytest.param({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], id="A.9 testing a value: error"),
        pytest.param({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], id="A.12 nonexistent target"),
        pytest.param(
            {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}], id="A.15 strings and numbers"
        ),
        pytest.param({"a": 1}, [{"op": "test", "path": "/a", "value": True}], id="true is not 1"),
        pytest.param({"a": [0]}, [{"op": "test", "path": "/a", "value": [False]}], id="false is not 0"),
        pytest.param({"a": 1}, [{"op": "remove", "path": "/b"}], id="removing what is not there"),
        pytest.param({"a": 1}, [{"op": "replace", "path": "/b", "value": 1}], id="replacing what is not there"),
        pytest.param({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], id="beyond the end"),
        pytest.param({"a": [1]}, [{"op": "remove", "path": "/a/-"}], id="removing the end"),
        pytest.param({"a": [1, 2]}, [{"op": "remove", "path": "/a/01"}], id="leading zero"),
        pytest.param({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], id="negative index"),
        pytest.param({"a": [1, 2]}, [{"op": "remove", "path": "/a/１"}], id="digit of another script"),
        pytest.param({"a": "text"}, [{"op": "add", "path": "/a/b", "value": 1}], id="below a scalar"),
        pytest.param({"a": 1}, [{"op": "remove", "path": ""}], id="removing everything"),
        pytest.param({"a": 1}, [{"op": "replace", "path": "", "value": 1}], id="no object any more"),
        pytest.param(
            {"a": "x" * 1000}, [{"op": "copy", "from": "", "path": f"/{n}"} for n in range(40)], id="copies of copies"
        ),
    ],
)
def test_a_json_patch_that_does_not_fit_is_invalid(document: dict[str, Any], patch: Any) -> None:
    before = copy.deepcopy(document)
    with pytest.raises(Invalid):
        json_patch(document, patch)
    assert document == before


@pytest.mark.parametrize(
    "patch",
    [
        None,
        {},
        "x",
        [1],
        [{"op": "test", "path": "/a", "value": {"a": 1}}] * 10_001,
        [{"op": "add", "path": "/b", "value": DEEP}],
    ],
)
def test_what_is_no_json_patch_is_a_bad_request(patch: Any) -> None:
    with pytest.raises(BadRequest):
        json_patch({"a": {"a": 1}}, patch)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "move", "path": "/a"},
        {"op": "move", "from": "/a", "path": "/a/b"},
        {"op": "jump", "path": "/a"},
        {"path": "/a"},
        {"op": ["add"], "path": "/a", "value": 1},
    ],
)
def test_an_operation_that_cannot_be_carried_out_makes_the_patch_invalid(operation: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        json_patch({"a": {"a": 1}}, [operation])


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (
            {
                "title": "Goodbye!",
                "author": {"givenName": "John", "familyName": "Doe"},
                "tags": ["example", "sample"],
                "content": "This will be unchanged",
            },
            {"title": "Hello!", "phoneNumber": "+01-123-456-7890", "author": {"familyName": None}, "tags": ["example"]},
            {
                "title": "Hello!",
                "author": {"givenName": "John"},
                "tags": ["example"],
                "content": "This will be unchanged",
                "phoneNumber": "+01-123-456-7890",
            },
        ),
    ],
)
def test_merge_patch(document: dict[str, Any], patch: Any, result: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    assert merge_patch(document, patch) == result
    assert document == before, "the original is not changed"


@pytest.mark.parametrize("patch", [None, [], "bar", 1, DEEP])
def test_a_merge_patch_that_is_no_map_is_refused(patch: Any) -> None:
    with pytest.raises(ApiError):
        merge_patch({"a": DEEP}, patch)
