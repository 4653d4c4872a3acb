"""``-o go-template``: text with actions in double braces, as Go's text/template has them.

Fields, variables, pipelines, ``if``, ``with``, ``range``, comments, trim marks, and the functions that kubectl's users
call. Not: ``define``, ``template``, ``block``, methods. https://pkg.go.dev/text/template
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.steer.output.goformat import formatted, printed, shown

_ACTION = re.compile(
    r"\{\{(?P<left>- )?(?P<body>(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|/\*.*?\*/|[^`\"])*?)(?P<right> -)?\}\}", re.DOTALL
)
_TOKEN = re.compile(
    r"\s+|(?P<string>\"(?:\\.|[^\"\\])*\"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)|(?P<variable>\$\w*)|"
    r"(?P<field>\.\w+)|(?P<word>\w+)|(?P<sign>:=|=|[|(),.])",
)
_WORDS = ("if", "else", "end", "range", "with", "true", "false", "nil")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class TemplateError(Exception):
    """The template is wrong, or cannot be carried out on these values."""


@dataclass(slots=True)
class _Node:
    """Text, an action, or a block with its body and what stands behind ``else``."""

    kind: str
    text: str = ""
    tokens: list[tuple[str, str]] = field(default_factory=list)
    body: list["_Node"] = field(default_factory=list)
    other: list["_Node"] = field(default_factory=list)


def parse(text: str) -> Callable[[Any], str]:
    """What renders a value. Raises TemplateError."""
    pieces = list(_pieces(text))
    nodes, rest, _ = _block(pieces, 0, top=True)
    assert rest == len(pieces)
    return lambda value: "".join(_Run(value).block(nodes, value))


def _pieces(text: str) -> Iterator[_Node]:
    at, trim = 0, False
    for found in _ACTION.finditer(text):
        before = text[at : found.start()]
        before = before.lstrip() if trim else before
        yield _Node("text", before.rstrip() if found["left"] else before)
        body = found["body"].strip()
        if not (body.startswith("/*") and body.endswith("*/")):
            yield _Node("action", body, _tokens(body))
        at, trim = found.end(), bool(found["right"])
    rest = text[at:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    yield _Node("text", rest.lstrip() if trim else rest)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"unexpected {text[at]!r} in command")
        if match.lastgroup is not None:
            # A field that follows something at once belongs to it; after a blank it is one of the value at hand.
            glued = match.lastgroup == "field" and at > 0 and not text[at - 1].isspace() and text[at - 1] not in "(|,="
            if match.lastgroup == "word" and match[0] not in FUNCTIONS and match[0] not in _WORDS:
                raise TemplateError(f'function "{match[0]}" not defined')
            found.append(("chain" if glued else match.lastgroup, match[0]))
        at = match.end()
    return found


def _block(pieces: Sequence[_Node], at: int, *, top: bool = False) -> tuple[list[_Node], int, _Node | None]:
    """Nodes up to the ``end`` or ``else`` that closes the block, which is given back too."""
    nodes: list[_Node] = []
    while at < len(pieces):
        piece, at = pieces[at], at + 1
        word = piece.tokens[0][1] if piece.kind == "action" and piece.tokens else ""
        if word in ("end", "else"):
            if top:
                raise TemplateError(f"unexpected {{{{{word}}}}}")
            return nodes, at, piece
        if word in ("if", "with", "range"):
            node = _Node(word, piece.text, piece.tokens[1:])
            if not node.tokens:
                raise TemplateError(f"missing value for {word}")
            at = _fill(node, pieces, at)
            nodes.append(node)
        elif piece.kind == "text" or piece.tokens:
            nodes.append(piece)
        else:
            raise TemplateError("missing value for command")
    if not top:
        raise TemplateError("unexpected EOF")
    return nodes, at, None


def _fill(node: _Node, pieces: Sequence[_Node], at: int) -> int:
    node.body, at, closer = _block(pieces, at)
    if closer is not None and closer.tokens[0][1] == "else":
        if len(closer.tokens) > 1:  # else if
            inner = _Node(closer.tokens[1][1], closer.text, closer.tokens[2:])
            at = _fill(inner, pieces, at)
            node.other = [inner]
        else:
            node.other, at, _ = _block(pieces, at)
    return at


def _truth(value: Any) -> bool:
    return bool(value)


class _Run:
    """One rendering: the variables there are."""

    def __init__(self, root: Any) -> None:
        self._scopes: list[dict[str, Any]] = [{"$": root}]

    def block(self, nodes: Sequence[_Node], dot: Any) -> Iterator[str]:
        for node in nodes:
            match node.kind:
                case "text":
                    yield node.text
                case "action":
                    value, said = self._statement(node.tokens, dot)
                    if said:
                        yield shown(value)
                case "range":
                    yield from self._range(node, dot)
                case _:
                    yield from self._branch(node, dot)

    def _branch(self, node: _Node, dot: Any) -> Iterator[str]:
        self._scopes.append({})
        value, _ = self._statement(node.tokens, dot)
        if _truth(value):
            yield from self.block(node.body, value if node.kind == "with" else dot)
        else:
            yield from self.block(node.other, dot)
        self._scopes.pop()

    def _range(self, node: _Node, dot: Any) -> Iterator[str]:
        names, tokens = _range_names(node.tokens)
        value = self._pipeline(tokens, dot)
        pairs = self._pairs(value)
        for key, item in pairs:
            scope = dict(zip(names, (item,) if len(names) == 1 else (key, item), strict=False))
            self._scopes.append(scope)
            yield from self.block(node.body, item)
            self._scopes.pop()
        if not pairs:
            yield from self.block(node.other, dot)

    @staticmethod
    def _pairs(value: Any) -> list[tuple[Any, Any]]:
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, list):
            return list(enumerate(value))
        if value is None:
            return []
        raise TemplateError(f"range can't iterate over {shown(value)}")

    def _statement(self, tokens: list[tuple[str, str]], dot: Any) -> tuple[Any, bool]:
        """The value, and whether it is to be shown: that of an assignment is not."""
        if len(tokens) > 1 and tokens[0][0] == "variable" and tokens[1][1] in (":=", "="):
            value = self._pipeline(tokens[2:], dot)
            scopes = self._scopes[::-1] if tokens[1][1] == "=" else self._scopes[-1:]
            scope = next((one for one in scopes if tokens[0][1] in one), self._scopes[-1])
            scope[tokens[0][1]] = value
            return value, False
        return self._pipeline(tokens, dot), True

    def _pipeline(self, tokens: list[tuple[str, str]], dot: Any) -> Any:
        value: Any = None
        for number, command in enumerate(_split(tokens)):
            if not command:
                raise TemplateError("missing value for command")
            value = self._command(command, dot, [value] if number else [])
        return value

    def _command(self, tokens: list[tuple[str, str]], dot: Any, last: list[Any]) -> Any:
        kind, text = tokens[0]
        if kind == "word" and text not in ("true", "false", "nil"):
            function = FUNCTIONS.get(text)
            if function is None:
                raise TemplateError(f'function "{text}" not defined')
            return _called(text, function, [*self._operands(tokens[1:], dot), *last])
        operands = self._operands(tokens, dot)
        if len(operands) != 1 or last:
            raise TemplateError(f"can't give argument to non-function {text}")
        return operands[0]

    def _operands(self, tokens: list[tuple[str, str]], dot: Any) -> list[Any]:
        values: list[Any] = []
        at = 0
        while at < len(tokens):
            kind, text = tokens[at]
            at += 1
            if text == "(" and kind == "sign":
                end = _closing(tokens, at)
                values.append(self._pipeline(tokens[at:end], dot))
                at = end + 1
            elif kind == "chain":
                values[-1] = _field(values[-1], text[1:])
            else:
                values.append(self._operand(kind, text, dot))
        return values

    def _operand(self, kind: str, text: str, dot: Any) -> Any:
        match kind:
            case "string":
                return text[1:-1] if text[0] == "`" else re.sub(r"\\(.)", _unescaped, text[1:-1])
            case "number":
                return float(text) if "." in text else int(text)
            case "variable":
                return self._variable(text)
            case "field":
                return _field(dot, text[1:])
            case "word" if text in ("true", "false", "nil"):
                return {"true": True, "false": False, "nil": None}[text]
            case "word":
                function = FUNCTIONS.get(text)
                if function is None:
                    raise TemplateError(f'function "{text}" not defined')
                return _called(text, function, [])
            case "sign" if text == ".":
                return dot
        raise TemplateError(f"unexpected {text!r} in operand")

    def _variable(self, name: str) -> Any:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        raise TemplateError(f'undefined variable "{name}"')


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


def _range_names(tokens: list[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    """``$k, $v := …``."""
    for number, (_, text) in enumerate(tokens[:4]):
        if text == ":=":
            return [name for kind, name in tokens[:number] if kind == "variable"], tokens[number + 1 :]
    return [], tokens


def _split(tokens: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """At the bars that are in no brackets."""
    commands: list[list[tuple[str, str]]] = [[]]
    depth = 0
    for token in tokens:
        if token[0] == "sign":
            depth += {"(": 1, ")": -1}.get(token[1], 0)
        if token == ("sign", "|") and not depth:
            commands.append([])
        else:
            commands[-1].append(token)
    return commands


def _closing(tokens: list[tuple[str, str]], at: int) -> int:
    depth = 1
    for number in range(at, len(tokens)):
        if tokens[number][0] == "sign":
            depth += {"(": 1, ")": -1}.get(tokens[number][1], 0)
        if not depth:
            return number
    raise TemplateError("unclosed left paren")


def _field(value: Any, name: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TemplateError(f"can't evaluate field {name} in type {type(value).__name__}")
    return value.get(name)


def _called(name: str, function: Callable[..., Any], values: list[Any]) -> Any:
    try:
        return function(*values)
    except (TypeError, ValueError, LookupError, AttributeError, binascii.Error) as error:
        raise TemplateError(f"error calling {name}: {error}") from error


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list | str):
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: reflect: slice index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError("error calling index: index of untyped nil")
    return value


def _exists(value: Any, *keys: Any) -> bool:
    try:
        return _index(value, *keys) is not None
    except TemplateError:
        return False


def _chosen(values: tuple[Any, ...], *, wanted: bool) -> Any:
    """The first that decides, or the last."""
    return next((value for value in values if _truth(value) is wanted), values[-1])


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *values: _chosen(values, wanted=False),
    "or": lambda *values: _chosen(values, wanted=True),
    "not": lambda value: not _truth(value),
    "len": lambda value: len(value),
    "index": _index,
    "exists": _exists,
    "slice": lambda value, *at: value[slice(*at[:2])] if len(at) != 1 else value[at[0] :],
    "print": printed,
    "println": lambda *values: " ".join(shown(value) for value in values) + "\n",
    "printf": formatted,
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, second: first != second,
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
    "base64decode": _decoded,
}
