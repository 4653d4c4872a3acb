"""`steer cluster-info`, and `steer cluster-info dump` (`cli.steer.dumping`)."""

import click

from cli.steer.dumping import dump as write_dump
from cli.steer.output.flags import OUTPUT
from cli.steer.output.printing import Form
from cli.steer.session import Session, with_session
from cli.steer.writing import options

_ADD_ON = "kubernetes.io/cluster-service=true"


@click.group("cluster-info", invoke_without_command=True)
@with_session
def command(session: Session) -> None:
    """Display addresses of the control plane and of services with label kubernetes.io/cluster-service=true."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    server = session.credentials.server.rstrip("/")
    kind = session.discovery.find("services")
    found = list(session.list(kind, "kube-system", labels=_ADD_ON))
    print(f"Kubernetes control plane is running at {server}")
    for one in found:
        meta = one["metadata"]
        name = (meta.get("labels") or {}).get("kubernetes.io/name") or meta["name"]
        print(f"{name} is running at {server}{_path(one)}")
    print("\nTo further debug and diagnose cluster problems, use 'steer cluster-info dump'.")


def _path(service: dict[str, object]) -> str:
    meta, spec = service["metadata"], service["spec"]
    assert isinstance(meta, dict)
    assert isinstance(spec, dict)
    ports = spec.get("ports") or [{}]
    port = f":{ports[0]['name']}" if ports[0].get("name") else ""
    return f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}{port}/proxy"


@command.command("dump")
@click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces.")
@click.option("--namespaces", default="", help="As a,b; kube-system and that of the request when not said.")
@click.option("--output-directory", default="", help="Into files below this folder; - or nothing is standard output.")
@options(OUTPUT)
@with_session
def dump(session: Session, all_namespaces: bool, namespaces: str, output_directory: str, output: Form) -> None:
    """Dump relevant information for debugging and diagnosis: objects, and the logs of all pods."""
    spaces = [one for one in namespaces.split(",") if one] or ["kube-system", session.namespace]
    if all_namespaces:
        spaces = [one["metadata"]["name"] for one in session.list(session.discovery.find("namespaces"), "")]
    write_dump(session, list(dict.fromkeys(spaces)), output_directory, output or "json")
