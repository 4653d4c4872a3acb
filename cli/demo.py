"""`steersman demo`: bring the cluster up, deploy the guestbook through the API, wait until it serves.

Called again it changes nothing: objects that are there stay as they are, and the check only reads.
"""

import argparse
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from api.core import Endpoints, ReplicationController, Service
from api.errors import ApiError, NotFound
from api.meta import Object
from api.resources import find_kind
from cli.cluster import Settings, add_location_flags, complete, load
from cli.errors import CommandError
from cli.flags import seconds
from cli.progress import TooLate, say, wait
from cli.up import bring_up
from client import Client, Unreachable
from client.client import object_from_plain

MANIFEST = Path("examples/guestbook/guestbook.yaml")
FRONTEND = "frontend"
NAMESPACE = "default"
ANSWER_LIMIT_S = 3.0


def main(arguments: list[str]) -> int:
    """Show the guestbook on a running cluster; the exit code."""
    parser = argparse.ArgumentParser(prog="steersman demo", description="Bring up a cluster with the guestbook on it.")
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help=f"what is deployed (default: {MANIFEST})")
    parser.add_argument("--timeout", type=seconds, default=120.0, metavar="SECONDS", help="longest wait (default: 120)")
    add_location_flags(parser)
    namespace = parser.parse_args(arguments)
    documents = read_manifest(namespace.manifest)
    settings = complete(load(namespace)[0])
    bring_up(settings, limit_s=namespace.timeout)
    client = Client.from_kubeconfig(settings.kubeconfig("admin"), user_agent="steersman-demo")
    try:
        for item in documents:
            say(f"{create_if_missing(client, item)}: {item.kind} {item.metadata.name}")
        address = wait_until_served(client, settings, documents, limit_s=namespace.timeout)
    except (ApiError, Unreachable) as error:
        raise CommandError(str(error), hint=f"the logs are in {settings.logs}") from error
    finally:
        client.close()
    _print_end(settings, address)
    return 0


def read_manifest(path: Path) -> list[Object]:
    """The objects of a YAML file; CommandError names the document that is no object."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", hint="call it in the checkout, or say --manifest") from error
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: not valid YAML: {error}") from error
    return [_object(path, number, one) for number, one in enumerate(documents, 1) if one is not None]


def _object(path: Path, number: int, document: Any) -> Object:
    if not isinstance(document, dict):
        raise CommandError(f"{path}: document {number} is not an object")
    resource = find_kind(str(document.get("apiVersion")), str(document.get("kind")))
    if resource is None:
        raise CommandError(f"{path}: document {number}: no kind {document.get('kind')!r} is served")
    item: Object = object_from_plain(document, resource.type)
    item.metadata.namespace = item.metadata.namespace or NAMESPACE
    return item


def create_if_missing(client: Client, item: Object) -> str:
    """Create the object unless one of its name is there; what was found or done."""
    try:
        client.get(type(item), item.metadata.name, item.metadata.namespace)
    except NotFound:
        client.create(item)
        return "created"
    return "present"


def wait_until_served(client: Client, settings: Settings, items: list[Object], *, limit_s: float) -> str:
    """Wait for all replicas, then for the front end to answer with Redis behind it; its address."""
    controllers = [one.metadata.name for one in items if isinstance(one, ReplicationController)]
    services = [one.metadata.name for one in items if isinstance(one, Service)]
    try:
        wait("pods", lambda: missing_replicas(client, controllers), limit_s=limit_s)
        wait("services", lambda: missing_endpoints(client, services), limit_s=limit_s)
        address = f"http://{settings.advertise_address}:{node_port(client)}/"
        wait("guestbook", lambda: missing_answer(address), limit_s=limit_s)
    except TooLate as error:
        hint = f"see: KUBECONFIG={settings.kubeconfig('admin')} {kubectl()} describe pods"
        raise CommandError(str(error), hint=hint) from error
    return address


def missing_replicas(client: Client, names: list[str]) -> str:
    """Which controllers lack ready pods, as `frontend 1/3`; empty when none does."""
    lacks = []
    for name in names:
        found = client.get(ReplicationController, name, NAMESPACE)
        wanted = found.spec.replicas if found.spec and found.spec.replicas is not None else 1
        ready = found.status.ready_replicas if found.status else 0
        if ready < wanted:
            lacks.append(f"{name} {ready}/{wanted} ready")
    return ", ".join(lacks)


def missing_endpoints(client: Client, names: list[str]) -> str:
    """Which services have no ready address yet; empty when all have."""
    lacks = [name for name in names if not _has_address(client, name)]
    return f"no endpoints yet: {', '.join(lacks)}" if lacks else ""


def _has_address(client: Client, name: str) -> bool:
    try:
        return any(one.addresses for one in client.get(Endpoints, name, NAMESPACE).subsets)
    except NotFound:
        return False


def node_port(client: Client) -> int:
    """The port of the front end on every node."""
    service = client.get(Service, FRONTEND, NAMESPACE)
    ports = [one.node_port for one in (service.spec.ports if service.spec else []) if one.node_port]
    if not ports:
        raise CommandError(f"service {FRONTEND} has no node port", hint="its type must be NodePort")
    return ports[0]


def missing_answer(address: str) -> str:
    """What keeps the guestbook from reading its messages; empty when nothing does."""
    try:
        with urllib.request.urlopen(f"{address}guestbook.php?cmd=get&key=messages", timeout=ANSWER_LIMIT_S) as answer:
            return "" if answer.status == 200 else f"answered {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"answered {error.code}: {error.read(300).decode(errors='replace').strip()}"
    except OSError as error:
        return str(getattr(error, "reason", error))


def kubectl() -> Path:
    """The kubectl beside the interpreter that runs this: it came with the locked dependencies."""
    beside = Path(sys.executable).with_name("kubectl")
    return beside if beside.exists() else Path("kubectl")


def _print_end(settings: Settings, address: str) -> None:
    say("")
    say(f"The guestbook is served at {address}")
    say("")
    say("Four commands to try:")
    say(f"  export KUBECONFIG={settings.kubeconfig('admin')}")
    say(f"  {kubectl()} get pods -o wide")
    say(f"  {kubectl()} scale rc frontend --replicas=5")
    say(f"  curl -s -D - -o /dev/null {address} | grep X-Served-By    # again and again: another pod each time")
