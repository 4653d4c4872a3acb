"""What the words after a verb mean: ``pods``, ``pod web db``, ``pod/web rc/db``, ``pods,services``, ``all``."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.session import Session

NOTHING_SAID = """\
You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Objects of one kind: those named, or, with no name, all that selectors leave."""

    kind: Kind
    names: tuple[str, ...] = ()


def chosen(session: Session, words: Sequence[str]) -> list[Chosen]:
    """Kinds in the order they were said. Raises Failure."""
    if not words:
        raise Failure(NOTHING_SAID)
    if any("/" in word for word in words):
        return _pairs(session, words)
    first, *names = words
    kinds = [kind for word in first.split(",") for kind in _kinds(session, word)]
    return [Chosen(kind, tuple(names)) for kind in kinds]


def _kinds(session: Session, word: str) -> tuple[Kind, ...]:
    if not word:
        raise Failure('arguments in resource/name form must have a single resource and name, or a list "a,b"')
    return session.discovery.category(word) or (session.discovery.find(word),)


def _pairs(session: Session, words: Sequence[str]) -> list[Chosen]:
    found: list[Chosen] = []
    for word in words:
        type_, slash, name = word.partition("/")
        if not slash:
            raise Failure(
                "there is no need to specify a resource type as a separate argument when passing arguments in "
                "resource/name form (e.g. 'steer get resource/<resource_name>' instead of 'steer get resource "
                "resource/<resource_name>'"
            )
        if not (type_ and name) or "/" in name:
            raise Failure("arguments in resource/name form must have a single resource and name")
        found.append(Chosen(session.discovery.find(type_), (name,)))
    return found


def label_text(selector: dict[str, object]) -> str:
    """A selector's plain terms as a query, of both forms: a map, and ``matchLabels`` with expressions."""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]  # type: ignore[attr-defined]
    for one in selector.get("matchExpressions") or ():  # type: ignore[attr-defined]
        key, values = one["key"], f"({','.join(one.get('values') or ())})"
        terms.append(
            {"In": f"{key} in {values}", "NotIn": f"{key} notin {values}", "Exists": key}.get(
                one["operator"], f"!{key}"
            )
        )
    return ",".join(terms)
