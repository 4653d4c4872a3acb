"""Objects from files, folders, standard input and addresses: what ``-f`` means."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from api.selectors import parse as parse_labels
from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.kustomizing import Kustomization, built
from cli.steer.session import Session

# What -f and -k name.
Source = str | Kustomization
_ENDINGS = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object as it was written. ``source``: where, for messages."""

    document: dict[str, Any]
    kind: Kind
    source: str

    @property
    def name(self) -> str:
        return str((self.document.get("metadata") or {}).get("name") or "")

    @property
    def shown(self) -> str:
        return f"{self.kind.qualified}/{self.name}"

    def namespace(self, session: Session) -> str:
        """Its own, or that of the request. Raises Failure when both are said and differ."""
        own = str((self.document.get("metadata") or {}).get("namespace") or "")
        if not self.kind.namespaced:
            return ""
        if own and session.has_namespace and own != session.namespace:
            raise Failure(
                f'the namespace from the provided object "{own}" does not match the namespace "{session.namespace}". '
                f"You must pass '--namespace={own}' to perform this operation."
            )
        return own or session.namespace


def manifests(session: Session, names: Sequence[Source], *, recursive: bool = False) -> Iterator[Manifest]:
    """All objects of all files, lists taken apart. Raises Failure."""
    if not names:
        raise Failure("must specify one of -f and -k")
    for name in names:
        for source, text in _texts(name, recursive=recursive):
            for document in _documents(text, source):
                yield Manifest(document, _kind(session, document, source), source)


def labelled(items: Iterable[Manifest], selector: str) -> list[Manifest]:
    """Those with such labels. Raises Failure."""
    try:
        wanted = parse_labels(selector)
    except ValueError as error:
        raise Failure(str(error)) from error
    return [item for item in items if wanted.matches((item.document.get("metadata") or {}).get("labels") or {})]


def _texts(name: Source, *, recursive: bool) -> Iterator[tuple[str, str]]:
    if isinstance(name, Kustomization):
        yield name.place, built(name.place)
        return
    if name == "-":
        yield "STDIN", sys.stdin.read()
        return
    if name.startswith(("http://", "https://")):
        yield name, _fetched(name)
        return
    path = Path(name)
    if path.is_dir():
        files = sorted(path.rglob("*") if recursive else path.iterdir())
        found = [file for file in files if file.suffix in _ENDINGS and file.is_file()]
        if not found:
            raise Failure(f"error reading [{name}]: recognized file extensions are [{' '.join(_ENDINGS)}]", prefix="")
        for file in found:
            yield str(file), _read(file)
        return
    yield name, _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError as error:
        raise Failure(f'the path "{path}" does not exist') from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"error reading {path}: {error}") from error


def _fetched(address: str) -> str:
    import urllib.request

    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            text: str = answer.read(16 * 2**20).decode()
    except (OSError, ValueError) as error:
        raise Failure(f'unable to read URL "{address}": {error}') from error
    return text


def _documents(text: str, source: str) -> Iterator[dict[str, Any]]:
    try:
        found = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise Failure(f"error parsing {source}: error converting YAML to JSON: yaml: {_one_line(error)}") from error
    for document in found:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise Failure(f"error parsing {source}: an object is expected, not {type(document).__name__}")
        if str(document.get("kind") or "").endswith("List") and isinstance(document.get("items"), list):
            yield from document["items"]
        else:
            yield document


def one_document(text: str) -> Any:
    """Of YAML with times left as text. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {getattr(error, 'problem', error)}" if mark is not None else str(error)


class _Loader(yaml.SafeLoader):
    """Times stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _kind(session: Session, document: dict[str, Any], source: str) -> Kind:
    api_version, kind = document.get("apiVersion"), document.get("kind")
    for field, value in (("apiVersion", api_version), ("kind", kind)):
        if not value:
            raise Failure(f"error validating \"{source}\": error validating data: {field} not set; if you choose to "
                          "ignore these errors, turn validation off with --validate=false")  # fmt: skip
    found = session.discovery.of(str(api_version), str(kind))
    if found is None:
        name = (document.get("metadata") or {}).get("name") or ""
        raise Failure(
            f'resource mapping not found for name: "{name}" namespace: "" from "{source}": no matches for kind '
            f'"{kind}" in version "{api_version}"\nensure CRDs are installed first'
        )
    return found
