"""Label and field selectors: parsed once, matched often.

Both forms of the seed of Kubernetes' label selectors are understood: equality (``a = b, c != d``) and sets (``a in
(b, c)``,
``a notin (b)``, ``a``, ``!a``), and the numeric ``a > 1``. A selector is a conjunction: all terms must hold.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from api.errors import BadRequest
from api.formats import label_value, qualified_name
from api.meta import LabelSelector

MAX_TERMS = 1000
_TOKEN = re.compile(r"\s*(?:(!=|==|=|!|,|\(|\)|>|<)|([^\s,()=!<>]+))")
_SHOWN = 80
_SETS = {"in": "In", "notin": "NotIn"}
# As Go reads a 64-bit integer; Python's int() also takes underscores and any number of digits.
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


class Requirement(Protocol):
    """What a label must keep, as Kubernetes writes it: ``operator`` is In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    @property
    def key(self) -> str: ...

    @property
    def operator(self) -> str: ...

    @property
    def values(self) -> Collection[str]: ...


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether labels, or the fields of a node by their paths, keep a requirement."""
    value, values = labels.get(requirement.key), requirement.values
    match requirement.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            [limit] = values if len(values) == 1 else ("",)
            return value is not None and _is_beyond(value, limit, operator)


def _is_beyond(value: str, limit: str, operator: str) -> bool:
    """Whether a label is greater (or less) than a limit; what is no integer is neither."""
    if not (_INTEGER.fullmatch(value) and _INTEGER.fullmatch(limit)):
        return False
    return int(value) > int(limit) if operator == "Gt" else int(value) < int(limit)


@dataclass(frozen=True, slots=True)
class Term:
    """One requirement of a label selector; ``str`` is its text form."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    matches = holds

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={values}"
            case "NotIn" if len(self.values) == 1:
                return f"{self.key}!={values}"
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({values})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case _:
                return f"{self.key}{'>' if self.operator == 'Gt' else '<'}{values}"


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
NOTHING = Selector((Term("", "In"),))


def from_map(labels: Mapping[str, str]) -> Selector:
    """The selector of a Service or a ReplicationController. An empty map matches everything; callers that mean
    nothing check."""
    return Selector(tuple(Term(key, "In", frozenset((value,))) for key, value in sorted(labels.items())))


def from_label_selector(selector: LabelSelector | None) -> Selector:
    """The selector of a ``LabelSelector``: none matches nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    expressions = tuple(Term(one.key, one.operator, frozenset(one.values)) for one in selector.match_expressions)
    return Selector(from_map(selector.match_labels).terms + expressions)


def parse(text: str) -> Selector:
    """A label selector from its text form. Raises BadRequest that says where it goes wrong, in Kubernetes' words."""
    return Selector(tuple(_Parser(text).terms()))


class _Parser:
    """Recursive descent over the few tokens of a selector."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def _next(self) -> tuple[str, str]:
        """A symbol, or a word; neither at the end."""
        found = self._peek()
        self.at += 1
        return found

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "")

    def terms(self) -> list[Term]:
        found: list[Term] = []
        while self.at < len(self.tokens):
            symbol, word = self._peek()
            if found and not word and symbol != "!":
                raise BadRequest(f"found '{symbol}', expected: identifier after ','")
            if not word and symbol != "!":
                raise BadRequest(f"found '{symbol}', expected: !, identifier, or 'end of string'")
            found.append(self._term())
            if len(found) > MAX_TERMS:
                raise BadRequest(f"more than {MAX_TERMS} terms")
            symbol, word = self._next()
            if (symbol or word) and symbol != ",":
                raise BadRequest(f"found '{symbol or word}', expected: ',' or 'end of string'")
            if symbol and self.at >= len(self.tokens):
                raise BadRequest("found '', expected: identifier after ','")
        return found

    def _term(self) -> Term:
        missing = self._peek()[0] == "!"
        if missing:
            self._next()
        key = self._key()
        if missing or (self._peek()[0] in ("", ",") and not self._peek()[1]):
            return Term(key, "DoesNotExist" if missing else "Exists")
        symbol, word = self._next()
        if word in _SETS:
            return Term(key, _SETS[word], frozenset(_checked(value, key) for value in self._set()))
        if symbol in ("=", "==", "!="):
            return Term(key, "NotIn" if symbol == "!=" else "In", frozenset((_checked(self._value(), key),)))
        if symbol in (">", "<"):
            return Term(key, "Gt" if symbol == ">" else "Lt", frozenset((_integer(self._value()),)))
        raise _wrong(f"found '{symbol or word}', expected: '=', '!=', '==', 'in', notin'")

    def _key(self) -> str:
        symbol, word = self._next()
        if not word:
            raise _wrong(f"found '{symbol}', expected: identifier")
        if problem := qualified_name(word):
            raise _wrong(f'invalid label key "{word[:_SHOWN]}": {problem}')
        return word

    def _value(self) -> str:
        if self._peek() == ("", "") or self._peek()[0] == ",":
            return ""
        symbol, word = self._next()
        if not word:
            raise _wrong(f"found '{symbol}', expected: identifier")
        return word

    def _set(self) -> set[str]:
        """``()`` is the set of the empty value, and so is what stands between two commas."""
        symbol, word = self._next()
        if symbol != "(":
            raise _wrong(f"found '{symbol or word}' expected: '('")
        values: set[str] = set()
        while True:
            symbol, word = self._next()
            if not word and symbol not in (",", ")"):
                raise _wrong(f"found '{symbol}', expected: ',', ')' or identifier")
            values.add(word)
            if word:
                symbol, after = self._next()
                if symbol not in (",", ")"):
                    raise _wrong(f"found '{symbol or after}', expected: ',' or ')'")
            if symbol == ")":
                return values


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        assert match is not None, "each character is a symbol, a space, or part of a word"
        symbol, word = match.groups()
        tokens.append((symbol or "", word or ""))
        position = match.end()
    return tokens


def _checked(value: str, key: str) -> str:
    if problem := label_value(value):
        raise _wrong(f'invalid label value: "{value[:_SHOWN]}": at key: "{key}": {problem}')
    return value


def _integer(text: str) -> str:
    if not _INTEGER.fullmatch(text):
        raise _wrong("for 'Gt', 'Lt' operators, the value must be an integer")
    return text


def _wrong(what: str) -> BadRequest:
    return BadRequest(f"unable to parse requirement: {what}")


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """A field of the object equals, or does not equal, a value."""

    field: str
    value: str
    equal: bool = True


# What comes before the first operator, the operator, and what comes after it; a backslash escapes what follows it.
_FIELD = re.compile(r"((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)", re.DOTALL)
_ESCAPED_PART = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """A field selector (``status.phase!=Running,spec.nodeName=a``). Which fields a kind offers is the caller's to
    check. In a value ``\\`` stands before a comma, an equals sign and itself."""
    terms: list[FieldTerm] = []
    for part in _ESCAPED_PART.findall(text):
        if not part.strip():
            continue
        match = _FIELD.fullmatch(part.strip())
        if match is None or not match[1].strip() or len(terms) >= MAX_TERMS:
            raise BadRequest(f"invalid selector: '{text[:200]}'; can't understand '{part[:_SHOWN]}'")
        field, operator, value = match.groups()
        terms.append(FieldTerm(field.strip(), _unescaped(value.strip()), operator != "!="))
    return tuple(terms)


def _unescaped(value: str) -> str:
    if "\\" not in value and "=" not in value:
        return value
    found: list[str] = []
    rest = iter(value)
    for one in rest:
        if one == "\\":
            escaped = next(rest, "")
            if escaped not in ("\\", ",", "="):
                raise BadRequest(f"invalid field selector: invalid escape sequence: \\{escaped}")
            found.append(escaped)
        elif one == "=":
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(one)}")
        else:
            found.append(one)
    return "".join(found)
