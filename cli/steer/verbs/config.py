"""`steer config`: look at a kubeconfig and choose among its contexts."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.kubeconfigentries import ENTRIES, PATH
from cli.steer.kubeconfigfile import Map, find, put, read, write
from cli.steer.output.flags import OUTPUT
from cli.steer.output.printing import printer
from cli.steer.output.table import Table
from cli.steer.reaching import KUBECONFIG, kubeconfig_path
from cli.steer.writing import options

_SECRET = ("client-key-data", "token", "password")
_DATA = ("certificate-authority-data", "client-certificate-data")


@click.group("config")
@KUBECONFIG
def command() -> None:
    """Modify kubeconfig files."""


for _one in ENTRIES:
    command.add_command(_one)


@command.command("view")
@PATH
@click.option("--raw", is_flag=True, help="With certificates, keys and tokens.")
@click.option("--minify", is_flag=True, help="Only what the current context uses.")
@click.option("--flatten", is_flag=True, help="With the contents of the files that it names.")
@options(OUTPUT)
def view(kubeconfig: str, raw: bool, minify: bool, flatten: bool, output: str) -> None:
    """Display merged kubeconfig settings or a specified kubeconfig file."""
    document = read(kubeconfig_path(kubeconfig))
    document.setdefault("current-context", "")
    if minify:
        document = _minified(document)
    if flatten:
        _flatten(document, kubeconfig_path(kubeconfig).parent)
    for part in () if raw else [*(document.get("users") or ()), *(document.get("clusters") or ())]:
        _redact(part.get("user") or part.get("cluster") or {})
    printer(output or "yaml", name_of=lambda _: "config/", as_one=True)([document])


@command.command("current-context")
@PATH
def current_context(kubeconfig: str) -> None:
    """Display the current-context."""
    name = read(kubeconfig_path(kubeconfig)).get("current-context")
    if not name:
        raise Failure("current-context is not set")
    print(name)


@command.command("get-contexts")
@PATH
@click.option("-o", "--output", default="", type=click.Choice(["", "name"]), help="Output format.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@click.argument("names", nargs=-1)
def get_contexts(kubeconfig: str, output: str, no_headers: bool, names: tuple[str, ...]) -> None:
    """Describe one or many contexts."""
    document = read(kubeconfig_path(kubeconfig))
    contexts = sorted(document.get("contexts") or (), key=lambda one: str(one["name"]))
    missing = [name for name in names if name not in {one["name"] for one in contexts}]
    contexts = [one for one in contexts if not names or one["name"] in names]
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
    if missing:
        raise Failure("\n".join(f"error: context {name} not found" for name in missing), prefix="")


@command.command("use-context")
@PATH
@click.argument("name")
def use_context(kubeconfig: str, name: str) -> None:
    """Set the current-context in a kubeconfig file."""
    path = kubeconfig_path(kubeconfig)
    document = read(path)
    _context(document, name)
    document["current-context"] = name
    write(path, document)
    print(f'Switched to context "{name}".')


@command.command("set-context")
@PATH
@click.argument("name", required=False, default="")
@click.option("--current", is_flag=True, help="The current context.")
@click.option("-n", "--namespace", default=None, help="Its namespace.")
@click.option("--cluster", default=None, help="Its cluster.")
@click.option("--user", default=None, help="Its user.")
def set_context(
    kubeconfig: str, name: str, current: bool, namespace: str | None, cluster: str | None, user: str | None
) -> None:
    """Set a context entry in kubeconfig."""
    if bool(name) == current:
        raise Failure("you must specify a non-empty context name or --current")
    path = kubeconfig_path(kubeconfig)
    document = read(path, missing_ok=True)
    name = name or str(document.get("current-context") or "")
    if not name:
        raise Failure("no current context is set")
    made = find(document, "contexts", name) is None
    said = {"namespace": namespace, "cluster": cluster, "user": user}
    entry = put(document, "contexts", name)
    entry.update({key: value for key, value in said.items() if value is not None})
    for key in ("cluster", "user"):
        entry.setdefault(key, "")
    write(path, document)
    print(f'Context "{name}" {"created" if made else "modified"}.')


def _context(document: Map, name: str) -> Map:
    found = find(document, "contexts", name)
    if found is None:
        raise Failure(f'no context exists with the name: "{name}"')
    return found


def _minified(document: dict[str, Any]) -> dict[str, Any]:
    name = str(document["current-context"] or "")
    if not name:
        raise Failure("current-context must exist in order to minify")
    context = _context(document, name)
    kept = {"contexts": name, "clusters": context.get("cluster"), "users": context.get("user")}
    return document | {
        key: [one for one in document.get(key) or () if one["name"] == wanted] for key, wanted in kept.items()
    }


def _flatten(document: Map, folder: Path) -> None:
    """Puts what files hold in the place of their names. Raises Failure."""
    for part in (*(document.get("clusters") or ()), *(document.get("users") or ())):
        entry = part.get("cluster") or part.get("user") or {}
        for name in entry.keys() & {"certificate-authority", "client-certificate", "client-key"}:
            file = folder / entry.pop(name)
            try:
                entry[f"{name}-data"] = b64encode(file.read_bytes()).decode()
            except OSError as error:
                raise Failure(f"{file}: {error.strerror}") from error


def _redact(part: dict[str, Any]) -> None:
    for key in part.keys() & {*_SECRET, *_DATA}:
        part[key] = "REDACTED" if key in _SECRET[1:] else "DATA+OMITTED"
