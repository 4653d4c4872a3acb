"""Label and field selectors: parsed once, matched often.

Both forms of the seed of Kubernetes' label selectors are understood: equality (``a = b, c != d``) and sets (``a in
(b, c)``,
``a notin (b)``, ``a``, ``!a``), and the numeric ``a > 1``. A selector is a conjunction: all terms must hold.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.errors import BadRequest
from api.meta import LabelSelector

MAX_TERMS = 1000
_TOKEN = re.compile(r"\s*(?:(!=|==|=|!|,|\(|\)|>|<)|([^\s,()=!<>]+))")
_KEY = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


# As Go reads a 64-bit integer; Python's int() also takes underscores and any number of digits.
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Term:
    """One requirement. ``operator`` is one of in, notin, exists, !, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return value is not None and _compares(value, self.operator, next(iter(self.values)))

    def __str__(self) -> str:
        match self.operator:
            case "in" | "notin" if len(self.values) == 1:
                return f"{self.key}{'=' if self.operator == 'in' else '!='}{next(iter(self.values))}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case _:
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{next(iter(self.values))}"


def _compares(value: str, operator: str, limit: str) -> bool:
    if not _INTEGER.fullmatch(value):
        return False
    return int(value) > int(limit) if operator == "gt" else int(value) < int(limit)


@dataclass(frozen=True, slots=True)
class Selector:
    """All terms must hold; no terms match everything."""

    terms: tuple[Term, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        for term in self.terms:  # noqa: SIM110 - asked for each object of a list: a generator costs as much as the terms
            if not term.matches(labels):
                return False
        return True

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)


EVERYTHING = Selector()
NOTHING = Selector((Term("", "in"),))


def from_map(labels: Mapping[str, str]) -> Selector:
    """The selector of a Service or a ReplicationController. An empty map matches everything; callers that mean
    nothing check."""
    return Selector(tuple(Term(key, "in", frozenset((value,))) for key, value in sorted(labels.items())))


OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def from_label_selector(selector: LabelSelector | None) -> Selector:
    """The selector of a ``LabelSelector``: none matches nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    expressions = tuple(
        Term(item.key, OPERATORS[item.operator], frozenset(item.values)) for item in selector.match_expressions
    )
    return Selector(from_map(selector.match_labels).terms + expressions)


def parse(text: str) -> Selector:
    """A label selector from its text form. Raises BadRequest that says where it goes wrong."""
    return Selector(tuple(_Parser(text).terms()))


class _Parser:
    """Recursive descent over the few tokens of a selector."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position = 0
        end = len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._wrong(f"found '{self.text[position]}'")
            symbol, word = match.groups()
            tokens.append((symbol or "", word or ""))
            position = match.end()
        return tokens

    def _wrong(self, what: str) -> BadRequest:
        return BadRequest(f'unable to parse requirement: {what} in selector "{self.text[:200]}"')

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            return "", ""
        self.at += 1
        return self.tokens[self.at - 1]

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "")

    def terms(self) -> list[Term]:
        found: list[Term] = []
        while self.at < len(self.tokens):
            found.append(self._term())
            if len(found) > MAX_TERMS:
                raise self._wrong(f"more than {MAX_TERMS} terms")
            symbol, word = self._next()
            if (symbol, word) == ("", ""):
                break
            if symbol != ",":
                raise self._wrong(f"found '{symbol or word}', expected: ',' or end of string")
            if self.at >= len(self.tokens):
                raise self._wrong("found '', expected: identifier after ','")
        return found

    def _term(self) -> Term:
        if self._peek()[0] == "!":
            self._next()
            return Term(self._key(), "!")
        key = self._key()
        symbol, word = self._peek()
        if symbol in ("=", "==", "!="):
            self._next()
            return Term(key, "notin" if symbol == "!=" else "in", frozenset((self._value(),)))
        if symbol in (">", "<"):
            self._next()
            return Term(key, "gt" if symbol == ">" else "lt", frozenset((self._number(),)))
        if word in ("in", "notin"):
            self._next()
            return Term(key, word, self._set())
        return Term(key, "exists")

    def _key(self) -> str:
        symbol, word = self._next()
        if not word:
            raise self._wrong(f"found '{symbol}', expected: identifier")
        if not _KEY.fullmatch(word):
            raise self._wrong(f"invalid label key '{word[:80]}'")
        return word

    def _value(self) -> str:
        if not self._peek()[1]:
            return ""
        word = self._next()[1]
        if not _VALUE.fullmatch(word):
            raise self._wrong(f"invalid label value '{word[:80]}'")
        return word

    def _number(self) -> str:
        word = self._next()[1]
        if not _INTEGER.fullmatch(word):
            raise self._wrong(f"for '>' and '<' the value must be an integer, found '{word[:80]}'")
        return word

    def _set(self) -> frozenset[str]:
        if self._next()[0] != "(":
            raise self._wrong("expected: '('")
        if self._peek()[0] == ")":
            raise self._wrong("for 'in', 'notin' operators, values set can't be empty")
        values = {self._value()}
        while True:
            symbol, word = self._next()
            if symbol == ")":
                return frozenset(values)
            if symbol != ",":
                raise self._wrong(f"found '{symbol or word}', expected: ',' or ')'")
            values.add(self._value())


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """A field of the object equals, or does not equal, a value."""

    field: str
    value: str
    equal: bool = True


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """A field selector (``status.phase!=Running,spec.nodeName=a``). Which fields a kind offers is the caller's to
    check."""
    terms: list[FieldTerm] = []
    for part in text.split(","):
        if not part.strip():
            continue
        match = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part.strip())
        if match is None or len(terms) >= MAX_TERMS:
            raise BadRequest(f"invalid field selector {text[:200]!r}; can't understand {part[:80]!r}")
        field, operator, value = match.groups()
        terms.append(FieldTerm(field.strip(), value.strip(), operator != "!="))
    return tuple(terms)
