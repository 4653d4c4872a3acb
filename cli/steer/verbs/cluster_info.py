"""`steer cluster-info`."""

import click

from cli.steer.session import Session, with_session

_ADD_ON = "kubernetes.io/cluster-service=true"


@click.command("cluster-info")
@with_session
def command(session: Session) -> None:
    """Display addresses of the control plane and of services with label kubernetes.io/cluster-service=true."""
    server = session.credentials.server.rstrip("/")
    kind = session.discovery.find("services")
    found = list(session.list(kind, "kube-system", labels=_ADD_ON))
    print(f"Kubernetes control plane is running at {server}")
    for one in found:
        meta = one["metadata"]
        name = (meta.get("labels") or {}).get("kubernetes.io/name") or meta["name"]
        print(f"{name} is running at {server}{_path(one)}")
    print("\nTo further debug and diagnose cluster problems, use 'steer get events -A'.")


def _path(service: dict[str, object]) -> str:
    meta, spec = service["metadata"], service["spec"]
    assert isinstance(meta, dict)
    assert isinstance(spec, dict)
    ports = spec.get("ports") or [{}]
    port = f":{ports[0]['name']}" if ports[0].get("name") else ""
    return f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}{port}/proxy"
