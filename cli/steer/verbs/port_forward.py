"""`steer port-forward TYPE/NAME LOCAL:REMOTE…`: ports of this host that lead into a pod.

Each connection to a local port has a WebSocket of its own: channel 0 is data, channel 1 tells of an error.
"""

import contextlib
import socket
import sys
import threading
from typing import Any
from urllib.parse import urlencode

import click
import websocket

from cli.steer.failures import Failure
from cli.steer.pods import pod_meant
from cli.steer.remote import connect
from cli.steer.session import Object, Session, with_session

_PROTOCOLS = ("v4.channel.k8s.io",)
_DATA, _ERROR = 0, 1
_PIECE = 32 * 1024
_BACKLOG = 64


@click.command("port-forward")
@click.argument("target", metavar="POD | TYPE/NAME")
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]REMOTE…")
@click.option("--address", default="localhost", help="Addresses to listen on, with commas between.")
@with_session
def command(session: Session, target: str, ports: tuple[str, ...], address: str) -> None:
    """Forward one or more local ports to a pod."""
    pod = pod_meant(session, target)
    name = pod["metadata"]["name"]
    if pod.get("status", {}).get("phase") != "Running":
        raise Failure(f"unable to forward port because pod is not running. Current status="
                      f"{pod.get('status', {}).get('phase')}")  # fmt: skip
    service = _service(session, target)
    pairs = [parsed(text, service, pod) for text in ports]
    with contextlib.ExitStack() as ends:
        listening = [
            (_listen(ends, host, local, remote), remote) for local, remote in pairs for host in _hosts(address)
        ]
        threads = [
            threading.Thread(
                target=_accept, args=(session, name, door, remote), name=f"steer-port-{remote}", daemon=True
            )
            for door, remote in listening
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _hosts(address: str) -> list[str]:
    return [host for one in address.split(",") for host in (("127.0.0.1",) if one == "localhost" else (one,))]


def _service(session: Session, target: str) -> Object | None:
    type_, slash, name = target.partition("/")
    if not slash:
        return None
    kind = session.discovery.find(type_)
    return session.get(kind, name, session.namespace) if kind.plural == "services" else None


def parsed(text: str, service: Object | None, pod: Object) -> tuple[int, int]:
    """Local port (0: any) and the pod's. A service's port leads to what it targets. Raises Failure."""
    local, colon, remote = text.partition(":")
    there = _remote(remote if colon else local, service, pod)
    if colon and not (local.isdigit() or not local):
        raise Failure(f"error parsing local port '{local}'")
    return (int(local or 0) if colon else (int(local) if local.isdigit() else there)), there


def _remote(text: str, service: Object | None, pod: Object) -> int:
    if service is not None:
        for port in service["spec"].get("ports") or ():
            if text in (str(port["port"]), port.get("name")):
                target = port.get("targetPort") or port["port"]
                return target if isinstance(target, int) else _named(str(target), pod)
        raise Failure(f"Service {service['metadata']['name']} does not have a service port {text}")
    return int(text) if text.isdigit() else _named(text, pod)


def _named(name: str, pod: Object) -> int:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise Failure(f"Pod '{pod['metadata']['name']}' does not have a named port '{name}'")


def _listen(ends: contextlib.ExitStack, host: str, local: int, remote: int) -> socket.socket:
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    ends.callback(door.close)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, local))
    except OSError as error:
        raise Failure(f"unable to listen on port {local}: {error.strerror}") from error
    door.listen(_BACKLOG)
    shown = f"[{host}]" if ":" in host else host
    print(f"Forwarding from {shown}:{door.getsockname()[1]} -> {remote}", flush=True)
    return door


def _accept(session: Session, pod: str, door: socket.socket, remote: int) -> None:
    while True:
        try:
            visitor, _ = door.accept()
        except OSError:
            return
        print(f"Handling connection for {door.getsockname()[1]}", flush=True)
        threading.Thread(
            target=_serve, args=(session, pod, visitor, remote), name="steer-forwarded", daemon=True
        ).start()


def _serve(session: Session, pod: str, visitor: socket.socket, remote: int) -> None:
    """One connection, until either side has ended."""
    with visitor:
        try:
            link = connect(session, pod, "portforward", urlencode({"ports": remote}), _PROTOCOLS)
        except Failure as error:
            print(error, file=sys.stderr, flush=True)
            return
        sender = threading.Thread(target=_outward, args=(visitor, link), name="steer-forwarding", daemon=True)
        sender.start()
        try:
            _inward(link, visitor)
        finally:
            with contextlib.suppress(OSError):
                visitor.shutdown(socket.SHUT_RDWR)
            link.close()
            sender.join(timeout=5)


def _outward(visitor: socket.socket, link: Any) -> None:
    with contextlib.suppress(OSError, websocket.WebSocketException):
        while data := visitor.recv(_PIECE):
            link.send_binary(bytes((_DATA,)) + data)


def _inward(link: Any, visitor: socket.socket) -> None:
    """The first message of a channel is its port."""
    begun: set[int] = set()
    with contextlib.suppress(OSError, websocket.WebSocketException):
        while True:
            code, data = link.recv_data()
            if code == websocket.ABNF.OPCODE_CLOSE or not data:
                return
            channel, rest = data[0], data[1:]
            if channel not in begun:
                begun.add(channel)
            elif channel == _DATA:
                visitor.sendall(rest)
            elif channel == _ERROR and rest:
                print(
                    f"error: an error occurred forwarding: {rest.decode(errors='replace')}", file=sys.stderr, flush=True
                )
                return
