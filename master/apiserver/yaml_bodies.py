"""YAML to plain values, as Kubernetes reads it: only what JSON can say, and no bombs.

Refused: more than one document, aliases that blow up, keys that are given twice, and anything that is not valid YAML.
Dates and binary stay text; booleans and null are those of YAML 1.1, numbers those of Go, as in Kubernetes: 1e3 and 0o7
are numbers, 12:30 is text.

Source of the numbers: resolve.go of gopkg.in/yaml.v2.
"""

import math
import re
from typing import Any

import yaml

# libyaml's composer recurses in C: what is nested too deeply would end the process.
_DEPTH_MAX = 100
# An honest manifest has some thousand values and repeats a few of them by alias; a bomb passes this with a hundred
# bytes. It bounds the time, too: values are made one by one, and the others wait.
_VALUES_MAX = 50_000


class YamlError(ValueError):
    """The text is not YAML that can stand for JSON."""


class _Loader(yaml.CSafeLoader):
    """Without dates, with a check for keys given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise YamlError(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _int(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    """Beyond 64 bits it is a float, as in Go; int() would take ever longer for ever more digits."""
    text = str(loader.construct_scalar(node)).replace("_", "")
    if not _INT.fullmatch(text):
        raise YamlError(f'line {node.start_mark.line + 1}: "{text[:40]}" is no integer')
    number = float(text) if len(text) > _INT_DIGITS else int(_C_OCTAL.sub(r"\g<1>0o", text), 0)
    return number if -(2**63) <= number < 2**64 else float(number)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    number = float(text.replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise YamlError(f'line {node.start_mark.line + 1}: "{text[:40]}" is no number of JSON')
    return number


_INT_TAG, _FLOAT_TAG = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_INT = re.compile(r"[-+]?(?:0b[01_]+|0(?:o?[0-7_]+)?|0x[0-9a-fA-F_]+|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_C_OCTAL = re.compile(r"^([-+]?)0(?=[0-7])")
_INT_DIGITS = 80
_OTHERS = ("timestamp", "binary", "int", "float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag.rpartition(":")[2] not in _OTHERS]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT_TAG, re.compile(f"(?:{_INT.pattern})$"), list("+-0123456789"))
_Loader.add_implicit_resolver(_FLOAT_TAG, re.compile(f"(?:{_FLOAT.pattern})$"), list("+-.0123456789"))
_Loader.add_constructor(_INT_TAG, _int)
_Loader.add_constructor(_FLOAT_TAG, _float)


def load(text: bytes) -> Any:
    """One document as dicts, lists and scalars. Raises YamlError."""
    try:
        _check_events(text)
        return _plain(_value(text))
    except yaml.YAMLError as error:
        raise YamlError(_said(error)) from error
    except YamlError:
        raise
    except (RecursionError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # Tags that do not fit their scalars: the constructors of the library raise whatever they stumble over.
        raise YamlError(f"a value does not fit its tag: {error}"[:200]) from error


def _value(text: bytes) -> Any:
    """Counted before it is constructed: merge keys (``<<``) are written out by the constructor."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_events(text: bytes) -> None:
    """Depth and number of values, in one pass over the events, which are made without recursion."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if number > 2 * _VALUES_MAX:
            raise YamlError(f"the document has more than {_VALUES_MAX} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH_MAX:
                raise YamlError("nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _said(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values there are when every alias is written out. Raises YamlError when they are too many."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _VALUES_MAX + 1  # an alias to itself, inside itself, has no end
    pairs = node.value if isinstance(node, yaml.MappingNode) else [(item,) for item in node.value]
    total = 1
    for part in (part for pair in pairs for part in pair):
        total += _count(part, known)
        if total > 2 * _VALUES_MAX:
            raise YamlError("document contains excessive aliasing")
    known[id(node)] = total
    return total


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)
