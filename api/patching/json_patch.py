"""JSON patch, RFC 6902, with the pointers of RFC 6901."""

import copy
import json
from typing import Any

from api.errors import BadRequest, Invalid

MAX_OPERATIONS = 10_000
# A few copies of the whole document into itself would otherwise fill the memory.
MAX_COPIED_BYTES = 8 * 2**20


def json_patch(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """All operations or none. Raises BadRequest for a malformed patch, Invalid when it does not fit the document."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise BadRequest("a JSON patch must be a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise BadRequest(f"a JSON patch may have at most {MAX_OPERATIONS} operations")
    try:
        result = _applied(document, operations)
    except RecursionError as error:
        raise BadRequest("the JSON patch is nested too deep") from error
    if not isinstance(result, dict):
        raise Invalid("the patched document is not an object")
    return result


def _applied(document: dict[str, Any], operations: list[dict[str, Any]]) -> Any:
    root: dict[str, Any] = {"": copy.deepcopy(document)}
    copied = 0
    for operation in operations:
        if operation.get("op") == "copy":
            copied += len(json.dumps(_get(root, _pointer(operation, "from"))))
            if copied > MAX_COPIED_BYTES:
                raise Invalid(f"the JSON patch copies more than {MAX_COPIED_BYTES} bytes")
        _apply(root, operation)
    return root[""]


def _apply(root: dict[str, Any], operation: dict[str, Any]) -> None:
    path = _pointer(operation, "path")
    match operation.get("op"):
        case "add":
            _add(root, path, copy.deepcopy(_value(operation)))
        case "replace":
            _get(root, path)
            _put(root, path, copy.deepcopy(_value(operation)))
        case "remove":
            _remove(root, path)
        case "test":
            if not _equal(_get(root, path), _value(operation)):
                raise _refused(f"testing value {operation['path']} failed")
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and path != source:
                raise _refused("a JSON patch cannot move a value into itself")
            value = _get(root, source)
            _remove(root, source)
            _add(root, path, value)
        case "copy":
            _add(root, path, copy.deepcopy(_get(root, _pointer(operation, "from"))))
        case unknown:
            raise _refused(f"unknown operation {unknown!r}")


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON: unlike in Python, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise _refused(f"JSON patch operation {operation.get('op')!r} needs a value")
    return operation["value"]


def _pointer(operation: dict[str, Any], key: str) -> list[str]:
    """The steps of a pointer below the holder of the root, which is reached by an empty step."""
    text = operation.get(key)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _refused(f"{key} must be a pointer such as /metadata/labels, not {text!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")]


def _missing(path: list[str]) -> Invalid:
    return _refused(f"missing path {'/'.join(path) or '/'}")


def _get(root: dict[str, Any], path: list[str]) -> Any:
    value: Any = root
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list):
            value = value[_index(step, len(value) - 1, path)]
        else:
            raise _missing(path)
    return value


def _index(step: str, last: int, path: list[str]) -> int:
    digits = step.isascii() and step.isdigit() and len(step) < 10
    if not digits or (step != "0" and step.startswith("0")) or int(step) > last:
        raise _missing(path)
    return int(step)


def _add(root: dict[str, Any], path: list[str], value: Any) -> None:
    parent = _get(root, path[:-1])
    if isinstance(parent, list):
        at = len(parent) if path[-1] == "-" else _index(path[-1], len(parent), path)
        parent.insert(at, value)
    else:
        _put(root, path, value)


def _put(root: dict[str, Any], path: list[str], value: Any) -> None:
    parent = _get(root, path[:-1])
    if isinstance(parent, list):
        parent[_index(path[-1], len(parent) - 1, path)] = value
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise _missing(path)


def _remove(root: dict[str, Any], path: list[str]) -> None:
    _get(root, path)
    if len(path) == 1:
        raise Invalid("the whole document cannot be removed")
    parent = _get(root, path[:-1])
    if isinstance(parent, list):
        del parent[_index(path[-1], len(parent) - 1, path)]
    else:
        del parent[path[-1]]


def _refused(what: str) -> Invalid:
    return Invalid(f"the server rejected our request: {what}")
