"""`steer config`: look at a kubeconfig and choose among its contexts."""

import os
from pathlib import Path
from typing import Any

import click
import yaml

from cli.steer.failures import Failure
from cli.steer.output.documents import as_json, as_yaml
from cli.steer.output.table import Table
from cli.steer.session import kubeconfig_path

_SECRET = ("client-key-data", "token", "password")
_DATA = ("certificate-authority-data", "client-certificate-data")
_PATH = click.option("--kubeconfig", default="", help="Path to the kubeconfig file.")


@click.group("config")
def command() -> None:
    """Modify kubeconfig files."""


@command.command("view")
@_PATH
@click.option("--raw", is_flag=True, help="With certificates, keys and tokens.")
@click.option("--minify", is_flag=True, help="Only what the current context uses.")
@click.option("-o", "--output", default="yaml", type=click.Choice(["yaml", "json"]), help="Output format.")
def view(kubeconfig: str, raw: bool, minify: bool, output: str) -> None:
    """Display merged kubeconfig settings or a specified kubeconfig file."""
    document = _read(kubeconfig_path(kubeconfig))
    if minify:
        document = _minified(document)
    for part in () if raw else [*(document.get("users") or ()), *(document.get("clusters") or ())]:
        _redact(part.get("user") or part.get("cluster") or {})
    print(as_yaml(document) if output == "yaml" else as_json(document), end="")


@command.command("current-context")
@_PATH
def current_context(kubeconfig: str) -> None:
    """Display the current-context."""
    name = _read(kubeconfig_path(kubeconfig)).get("current-context")
    if not name:
        raise Failure("current-context is not set")
    print(name)


@command.command("get-contexts")
@_PATH
@click.option("-o", "--output", default="", type=click.Choice(["", "name"]), help="Output format.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
def get_contexts(kubeconfig: str, output: str, no_headers: bool) -> None:
    """Describe one or many contexts."""
    document = _read(kubeconfig_path(kubeconfig))
    contexts = sorted(document.get("contexts") or (), key=lambda one: str(one["name"]))
    if output == "name":
        for one in contexts:
            print(one["name"])
        return
    rows = [
        ["*" if one["name"] == document.get("current-context") else "", one["name"], one["context"].get("cluster", ""),
         one["context"].get("user", ""), one["context"].get("namespace", "")]
        for one in contexts
    ]  # fmt: skip
    Table(["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"], headers=not no_headers).print(rows)


@command.command("use-context")
@_PATH
@click.argument("name")
def use_context(kubeconfig: str, name: str) -> None:
    """Set the current-context in a kubeconfig file."""
    path = kubeconfig_path(kubeconfig)
    document = _read(path)
    _context(document, name)
    document["current-context"] = name
    _write(path, document)
    print(f'Switched to context "{name}".')


@command.command("set-context")
@_PATH
@click.argument("name", required=False, default="")
@click.option("--current", is_flag=True, help="The current context.")
@click.option("-n", "--namespace", default=None, help="Its namespace.")
@click.option("--cluster", default=None, help="Its cluster.")
@click.option("--user", default=None, help="Its user.")
def set_context(
    kubeconfig: str, name: str, current: bool, namespace: str | None, cluster: str | None, user: str | None
) -> None:
    """Set a context entry in kubeconfig."""
    path = kubeconfig_path(kubeconfig)
    document = _read(path)
    if bool(name) == current:
        raise Failure("one of a context name and --current is required")
    name = name or str(document.get("current-context") or "")
    contexts = document.setdefault("contexts", [])
    made = not any(one["name"] == name for one in contexts)
    if made:
        contexts.append({"name": name, "context": {}})
    said = {"namespace": namespace, "cluster": cluster, "user": user}
    _context(document, name).update({key: value for key, value in said.items() if value is not None})
    _write(path, document)
    print(f'Context "{name}" {"created" if made else "modified"}.')


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise Failure(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise Failure(f"{path}: not a kubeconfig")
    return found


def _write(path: Path, document: dict[str, Any]) -> None:
    """Whole or not at all, and never readable for others."""
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(as_yaml(document))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _context(document: dict[str, Any], name: str) -> dict[str, Any]:
    for one in document.get("contexts") or ():
        if one["name"] == name:
            found: dict[str, Any] = one["context"]
            return found
    raise Failure(f'no context exists with the name: "{name}"')


def _minified(document: dict[str, Any]) -> dict[str, Any]:
    name = str(document.get("current-context") or "")
    context = _context(document, name)
    kept = {"contexts": name, "clusters": context.get("cluster"), "users": context.get("user")}
    return document | {
        key: [one for one in document.get(key) or () if one["name"] == wanted] for key, wanted in kept.items()
    }


def _redact(part: dict[str, Any]) -> None:
    for key in part.keys() & {*_SECRET, *_DATA}:
        part[key] = "REDACTED" if key in _SECRET[1:] else "DATA+OMITTED"
