"""YAML to plain values, as Kubernetes reads it: only what JSON can say, and no bombs.

Refused: more than one document, aliases that blow up, keys that are given twice, and anything that is not valid YAML.
Dates and binary stay text; numbers, booleans and null are those of YAML 1.1, as in Kubernetes.
"""

from typing import Any

import yaml

# libyaml's composer recurses in C: what is nested too deeply would end the process.
_DEPTH_MAX = 100
# An honest manifest repeats a few parts by alias; a bomb passes this with a hundred bytes.
_VALUES_MAX = 200_000


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


_NOT_TEXT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag not in _NOT_TEXT]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load(text: bytes) -> Any:
    """One document as dicts, lists and scalars. Raises YamlError."""
    try:
        _check_depth(text)
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise YamlError(_said(error)) from error
    except (RecursionError, ValueError) as error:
        raise YamlError(str(error) or "nested too deeply") from error
    _count(value, {})
    return _plain(value)


def _check_depth(text: bytes) -> None:
    """One pass over the events, which are made without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
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


def _count(value: Any, known: dict[int, int]) -> int:
    """How many values there are when every alias is written out."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) in known:
        return known[id(value)]
    known[id(value)] = _VALUES_MAX + 1  # an alias to itself, inside itself, has no end
    inner = value.values() if isinstance(value, dict) else value
    total = 1 + sum(_count(item, known) for item in inner)
    if total > _VALUES_MAX:
        raise YamlError("document contains excessive aliasing")
    known[id(value)] = total
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
