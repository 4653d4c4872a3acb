r"""Kubernetes' JSONPath templates: ``{range .items[*]}{.metadata.name}{"\n"}{end}``.

Text outside braces is printed as it stands. Inside: paths from the root (``.a.b``, ``$.a``) or, within a range or
filter, from the item at hand (``@.a``); ``['a.b']``, ``.a\.b``, ``[0]``, ``[-1]``, ``[0:2]``, ``[*]``, ``['a','b']``,
``..name``, ``[?(@.type=="Ready")]``; ``range`` … ``end``; and quoted text.
https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cli.steer.output.gojson import go_json

Step = Callable[[Any], Iterator[Any]]
# What stands at a place: the values that it finds in a document, in a group for each time that it is gone through.
Part = Callable[[Any], Iterator[list[Any]]]

_NAME = re.compile(r"(?:\\.|[^\s.\[\]{}()=!<>~\\])+")
_FILTER = re.compile(r"^(?P<left>.+?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>.+))?$", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class PathError(ValueError):
    """A template that makes no sense, or a name that an object has not."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template, read once."""

    parts: tuple[Part, ...]

    def render(self, document: Any) -> str:
        """Raises PathError when an index is out of range; a name that is missing gives nothing."""
        return "".join(" ".join(map(shown, group)) for group in self.groups(document))

    def groups(self, document: Any) -> Iterator[list[Any]]:
        """The values at each place. Raises PathError."""
        for part in self.parts:
            yield from part(document)


def template(text: str) -> Template:
    """Raises PathError."""
    return Template(tuple(_parts(_pieces(text), closed=False)))


def path(text: str) -> Callable[[Any], list[Any]]:
    """A single path such as ``.metadata.name`` or ``{.metadata.name}``: finds all values that it leads to. Raises
    PathError.
    """
    inner = text.strip().removeprefix("{").removesuffix("}").strip()
    if inner and inner[0] not in ".$@[":
        inner = f".{inner}"
    steps = _steps(inner)
    return lambda document: list(_walk(steps, document))


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Text, and what stands in braces (True), in turn."""
    at = 0
    while at < len(text):
        begin = text.find("{", at)
        if begin < 0:
            yield False, text[at:]
            return
        if begin > at:
            yield False, text[at:begin]
        end = _closing(text, begin)
        yield True, text[begin + 1 : end].strip()
        at = end + 1


def _closing(text: str, begin: int) -> int:
    quote = ""
    for at in range(begin + 1, len(text)):
        if quote:
            quote = "" if text[at] == quote and text[at - 1] != "\\" else quote
        elif text[at] in "\"'":
            quote = text[at]
        elif text[at] == "}":
            return at
    raise PathError("unterminated array" if text.rfind("[") > text.rfind("]") else "unclosed action")


def _parts(pieces: Iterator[tuple[bool, str]], *, closed: bool) -> Iterator[Part]:
    for is_action, text in pieces:
        if not is_action:
            yield _constant(text)
        elif text == "end":
            if not closed:
                raise PathError("unexpected end: it closes no range")
            return
        elif text.startswith("range"):
            yield _range(_steps(text.removeprefix("range").strip()), tuple(_parts(pieces, closed=True)))
        elif text[:1] in ("'", '"'):
            yield _constant(_unquoted(text))
        else:
            yield _values(_steps(text))
    if closed:
        raise PathError("unclosed range: {end} is missing")


def _constant(text: str) -> Part:
    return lambda _: iter([[text]])


def _values(steps: list[Step]) -> Part:
    return lambda document: iter([list(_walk(steps, document))])


def _range(steps: list[Step], inner: tuple[Part, ...]) -> Part:
    return lambda document: (group for item in _walk(steps, document) for part in inner for group in part(item))


def shown(value: Any) -> str:
    """A value as a template prints it."""
    if isinstance(value, str):
        return value
    return "" if value is None else go_json(value)


def _walk(steps: list[Step], document: Any) -> Iterator[Any]:
    found: Iterator[Any] = iter((document,))
    for step in steps:
        found = _each(step, found)
    return found


def _each(step: Step, values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        yield from step(value)


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    at = 1 if text[:1] in ("$", "@") else 0
    if not at and text and text[0] not in ".[":
        raise PathError(f"unrecognized identifier {text}")
    while at < len(text):
        if text.startswith("..", at):
            name, at = _name(text, at + 2)
            steps.append(lambda value, name=name: _deep(value, name))  # type: ignore[misc]
        elif text[at] == ".":
            if at + 1 == len(text):
                break
            if text[at + 1] == "[":
                at += 1
                continue
            name, at = _name(text, at + 1)
            steps.append(_every if name == "*" else lambda value, name=name: _field(value, name))  # type: ignore[misc]
        elif text[at] == "[":
            end = _bracket(text, at)
            steps.append(_subscript(text[at + 1 : end].strip()))
            at = end + 1
        else:
            raise PathError(f"unexpected {text[at]!r} in {text}")
    return steps


def _name(text: str, at: int) -> tuple[str, int]:
    match = _NAME.match(text, at)
    if match is None:
        raise PathError(f"a name is missing in {text}")
    return re.sub(r"\\(.)", r"\1", match[0]), match.end()


def _bracket(text: str, begin: int) -> int:
    depth, quote = 0, ""
    for at in range(begin, len(text)):
        if quote:
            quote = "" if text[at] == quote else quote
        elif text[at] in "\"'":
            quote = text[at]
        elif text[at] in "[(":
            depth += 1
        elif text[at] in "])":
            depth -= 1
            if depth == 0:
                return at
    raise PathError(f"unterminated array in {text}")


def _subscript(text: str) -> Step:
    if text == "*":
        return _every
    if text.startswith("?(") and text.endswith(")"):
        return _filter(text[2:-1].strip())
    if text[:1] in ("'", '"'):
        names = [_unquoted(name.strip()) for name in re.findall(r"'[^']*'|\"[^\"]*\"", text)]
        return lambda value: (found for name in names for found in _field(value, name))
    if re.fullmatch(r"-?\d+(,\s*-?\d+)*", text):
        numbers = [int(number) for number in text.split(",")]
        return lambda value: (_item(value, number) for number in numbers)
    match = re.fullmatch(r"(-?\d*):(-?\d*)(?::(\d+))?", text)
    if match is None:
        raise PathError(f"invalid array index {text}")
    bounds = slice(*(int(number) if number else None for number in match.groups()))
    return lambda value: iter(_list(value)[bounds])


def _filter(text: str) -> Step:
    match = _FILTER.match(text)
    if match is None:
        raise PathError(f"a filter is missing in [?({text})]")
    left, operator = _operand(match["left"]), match["operator"]
    right = _operand(match["right"]) if operator else None

    def step(value: Any) -> Iterator[Any]:
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            here = left(item)
            if right is None:
                if here:
                    yield item
                continue
            there = right(item)
            if here and there and type(here[0]) is type(there[0]) and _COMPARE[operator](here[0], there[0]):
                yield item

    return step


def _operand(text: str) -> Callable[[Any], list[Any]]:
    text = text.strip()
    if text.startswith("@"):
        steps = _steps(text)
        return lambda item: list(_walk(steps, item))
    if text[:1] in ("'", '"'):
        quoted = _unquoted(text)
        return lambda _: [quoted]
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PathError(f"unrecognized value {text} in a filter") from error
    return lambda _: [value]


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[-1] != text[0]:
        raise PathError(f"unterminated quoted string {text}")
    inner = text[1:-1]
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), inner)


def _field(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _field(item, name)
    elif isinstance(value, dict) and name in value:
        yield value[name]


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _deep(value: Any, name: str) -> Iterator[Any]:
    if name == "*":
        yield value
    elif isinstance(value, dict) and name in value:
        yield value[name]
    for item in _every(value):
        yield from _deep(item, name)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PathError(f"{shown(value)} is not array or slice")
    return value


def _item(value: Any, number: int) -> Any:
    items = _list(value)
    if not -len(items) <= number < len(items):
        raise PathError(f"array index out of bounds: index {number}, length {len(items)}")
    return items[number]
