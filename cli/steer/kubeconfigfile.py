"""A kubeconfig as a document: read, changed and written whole."""

from pathlib import Path
from typing import Any

import yaml

from cli.steer.failures import Failure
from cli.steer.output.documents import as_yaml
from client.files import write_atomically

Map = dict[str, Any]
# The lists of a kubeconfig, and under which key each of their entries stands beside its name.
PARTS = {"clusters": "cluster", "contexts": "context", "users": "user"}


def read(path: Path, *, missing_ok: bool = False) -> Map:
    """Raises Failure."""
    if missing_ok and not (path.exists() and path.stat().st_size):
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [],
            "contexts": [],
            "users": [],
            "current-context": "",
        }
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise Failure(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise Failure(f"{path}: not a kubeconfig")
    return found


def write(path: Path, document: Map) -> None:
    """Whole or not at all, and never readable for others. Raises Failure."""
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, as_yaml(document).encode(), mode=0o600)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error


def names(document: Map, part: str) -> list[str]:
    return sorted(str(one["name"]) for one in document.get(part) or ())


def find(document: Map, part: str, name: str) -> Map | None:
    """The entry of that name, without its name."""
    for one in document.get(part) or ():
        if one["name"] == name:
            found: Map = one.setdefault(PARTS[part], {})
            return found
    return None


def put(document: Map, part: str, name: str) -> Map:
    """The entry of that name; an empty one is made where there is none."""
    found = find(document, part, name)
    if found is None:
        found = {}
        document[part] = [*(document.get(part) or ()), {"name": name, PARTS[part]: found}]
    return found


def take(document: Map, part: str, name: str) -> bool:
    """Without the entry of that name; whether there was one."""
    there = document.get(part) or []
    document[part] = [one for one in there if one["name"] != name]
    return len(document[part]) < len(there)
