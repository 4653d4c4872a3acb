"""`steer config set-cluster`, `set-credentials`, `delete-…`, `rename-context`, `get-clusters`, `get-users`, `set` and
`unset`: the entries of a kubeconfig.
"""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.kubeconfigfile import PARTS, Map, find, names, put, read, take, write
from cli.steer.reaching import kubeconfig_path


def _or_before(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """The path that was said after the verb, or before it."""
    return value or (ctx.find_root().obj or {}).get("kubeconfig", "")


PATH = click.option("--kubeconfig", default="", callback=_or_before, help="Path to the kubeconfig file.")
_EMBED = click.option("--embed-certs", is_flag=True, help="Keep the content of the files, not where they are.")
_PLAIN = ("current-context", "kind", "apiVersion")


@click.command("set-cluster")
@PATH
@click.argument("name")
@click.option("--server", default=None, help="The address of the API server.")
@click.option("--certificate-authority", default=None, help="File with the CA that it is to be checked against.")
@click.option("--insecure-skip-tls-verify/--no-insecure-skip-tls-verify", "insecure", default=None,
              help="Do not check who the server is.")  # fmt: skip
@click.option("--tls-server-name", default=None, help="The name that its certificate is to have.")
@click.option("--proxy-url", default=None, help="A proxy on the way to it.")
@_EMBED
def set_cluster(kubeconfig: str, name: str, embed_certs: bool, insecure: bool | None, **said: str | None) -> None:
    """Set a cluster entry in kubeconfig."""
    path = kubeconfig_path(kubeconfig)
    document = read(path, missing_ok=True)
    entry = put(document, "clusters", name)
    authority = said.pop("certificate_authority")
    _take_over(entry, said)
    if insecure is not None:
        entry["insecure-skip-tls-verify"] = insecure
        if insecure:
            entry.pop("certificate-authority", None)
            entry.pop("certificate-authority-data", None)
        else:
            del entry["insecure-skip-tls-verify"]
    if authority is not None:
        entry.pop("insecure-skip-tls-verify", None)
        _set_file(entry, "certificate-authority", authority, embed=embed_certs)
    write(path, document)
    print(f'Cluster "{name}" set.')


@click.command("set-credentials")
@PATH
@click.argument("name")
@click.option("--client-certificate", default=None, help="File with the certificate.")
@click.option("--client-key", default=None, help="File with its key.")
@click.option("--token", default=None, help="A bearer token.")
@click.option("--username", default=None, help="The name for basic authentication.")
@click.option("--password", default=None, help="Its password.")
@_EMBED
def set_credentials(kubeconfig: str, name: str, embed_certs: bool, **said: str | None) -> None:
    """Set a user entry in kubeconfig."""
    if said["token"] and (said["username"] or said["password"]):
        raise Failure("you cannot specify more than one authentication method at the same time: --token, "
                      "--username/--password")  # fmt: skip
    path = kubeconfig_path(kubeconfig)
    document = read(path, missing_ok=True)
    entry = put(document, "users", name)
    for field in ("client-certificate", "client-key"):
        file = said.pop(field.replace("-", "_"))
        if file is not None:
            _set_file(entry, field, file, embed=embed_certs)
    # One way to authenticate takes the place of the other.
    for field in ("username", "password") if said["token"] else ("token",) if said["username"] else ():
        entry.pop(field, None)
    _take_over(entry, said)
    write(path, document)
    print(f'User "{name}" set.')


def _take_over(entry: Map, said: dict[str, str | None]) -> None:
    """What was said; an empty value takes the field away."""
    for name, value in said.items():
        if value:
            entry[name.replace("_", "-")] = value
        elif value is not None:
            entry.pop(name.replace("_", "-"), None)


def _set_file(entry: Map, field: str, name: str, *, embed: bool) -> None:
    """Where the file is, or what is in it. Raises Failure."""
    entry.pop(field, None)
    entry.pop(f"{field}-data", None)
    if not embed:
        entry[field] = str(Path(name).absolute())
        return
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise Failure(f"could not stat {field} file {name}: stat {name}: {reason}") from error
    entry[f"{field}-data"] = base64.b64encode(content).decode()


@click.command("rename-context")
@PATH
@click.argument("name")
@click.argument("new")
def rename_context(kubeconfig: str, name: str, new: str) -> None:
    """Rename a context from the kubeconfig file."""
    path = kubeconfig_path(kubeconfig)
    document = read(path)
    entry = find(document, "contexts", name)
    if entry is None:
        raise Failure(f'cannot rename the context "{name}", it\'s not in {path}')
    if find(document, "contexts", new) is not None:
        raise Failure(f'cannot rename the context "{name}", the context "{new}" already exists in {path}')
    put(document, "contexts", new).update(entry)
    take(document, "contexts", name)
    if document.get("current-context") == name:
        document["current-context"] = new
    write(path, document)
    print(f'Context "{name}" renamed to "{new}".')


def _lister(part: str, verb: str, shown: str) -> click.Command:
    @click.command(verb, help=f"Display {shown} defined in the kubeconfig.")
    @PATH
    def command(kubeconfig: str) -> None:
        print("NAME", *names(read(kubeconfig_path(kubeconfig)), part), sep="\n")

    return command


def _deleter(part: str) -> click.Command:
    what = PARTS[part]

    @click.command(f"delete-{what}", help=f"Delete the specified {what} from the kubeconfig.")
    @PATH
    @click.argument("name", required=False, default="")
    def command(kubeconfig: str, name: str) -> None:
        if not name:
            path = click.get_current_context().command_path
            raise Failure(f"{what} to delete is required\nSee '{path} -h' for help and examples")
        path_ = kubeconfig_path(kubeconfig)
        document = read(path_)
        if not take(document, part, name):
            raise Failure(f"cannot delete {what} {name}, not in {path_}")
        write(path_, document)
        print(f"deleted {what} {name} from {path_}")

    return command


@click.command("set")
@PATH
@click.argument("name")
@click.argument("value")
@click.option("--set-raw-bytes", is_flag=True, help="A field that ends in -data is given as it is, not in base64.")
def set_(kubeconfig: str, name: str, value: str, set_raw_bytes: bool) -> None:
    """Set an individual value in a kubeconfig file: current-context, or as clusters.NAME.server."""

    def change(entry: Map, field: str) -> None:
        entry[field] = _data(value, raw=set_raw_bytes) if field.endswith("-data") else _plain(field, value)

    _at(kubeconfig, name, change, make=True)
    print(f'Property "{name}" set.')


@click.command("unset")
@PATH
@click.argument("name")
def unset(kubeconfig: str, name: str) -> None:
    """Unset an individual value in a kubeconfig file: current-context, or as contexts.NAME.namespace."""
    _at(kubeconfig, name, lambda entry, field: entry.pop(field, None), make=False)
    print(f'Property "{name}" unset.')


def _plain(field: str, value: str) -> Any:
    return value == "true" if field == "insecure-skip-tls-verify" else value


def _data(value: str, *, raw: bool) -> str:
    if raw:
        return base64.b64encode(value.encode()).decode()
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Failure(f"error decoding base64: {error}") from error
    return value


def _at(kubeconfig: str, name: str, change: Callable[[Map, str], object], *, make: bool) -> None:
    """Changes the value of that name: a field of the whole, of an entry, or an entry. Raises Failure."""
    path = kubeconfig_path(kubeconfig)
    document = read(path, missing_ok=make)
    part, _, rest = name.partition(".")
    entry_name, dot, field = rest.rpartition(".")
    if part in _PLAIN and not rest:
        change(document, part)
    elif part not in PARTS or not rest:
        raise Failure(f"{name} is no property: as current-context, clusters.NAME.server or contexts.NAME.namespace")
    elif not make and find(document, part, rest) is not None:
        take(document, part, rest)
    elif not dot:
        if make:
            raise Failure(f"{name} is no property: the field of the {PARTS[part]} is missing")
    elif (found := put(document, part, entry_name) if make else find(document, part, entry_name)) is not None:
        change(found, field)
    write(path, document)


ENTRIES = (
    set_cluster, set_credentials, rename_context, set_, unset, _lister("clusters", "get-clusters", "clusters"),
    _lister("users", "get-users", "users"), _deleter("clusters"), _deleter("contexts"), _deleter("users"),
)  # fmt: skip
