"""Network namespaces for tests: a node with a pod behind it and a client outside. They vanish with the test."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNET = 0x40000000
NODE_IP, CLIENT_IP = "192.0.2.1", "192.0.2.2"
GATEWAY_IP, POD_IP = "10.244.9.1", "10.244.9.2"

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns failed")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace by its name."""

    name: str

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts meanwhile (sockets, threads, processes), is in the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)
            os.close(there)

    def run(self, *command: str, text: str = "") -> str:
        """The output of a command in the namespace."""
        with self.inside():
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


@dataclass(frozen=True, slots=True)
class Site:
    """A node, a pod on it, and a client in the node's network. The node has no default route."""

    node: Namespace
    pod: Namespace
    client: Namespace


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    name = f"st-{os.getpid()}-{next(_numbers)}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=60)
    try:
        namespace = Namespace(name)
        namespace.run("ip", "link", "set", "lo", "up")
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, timeout=60)


def _join(node: Namespace, node_ip: str, other: Namespace, other_ip: str, device: str) -> None:
    node.run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", other.name)
    node.run("ip", "addr", "add", f"{node_ip}/24", "dev", device)
    node.run("ip", "link", "set", device, "up")
    other.run("ip", "addr", "add", f"{other_ip}/24", "dev", "eth0")
    other.run("ip", "link", "set", "eth0", "up")
    other.run("ip", "route", "add", "default", "via", node_ip)


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """The three namespaces, connected."""
    with namespace() as node, namespace() as pod, namespace() as client:
        _join(node, NODE_IP, client, CLIENT_IP, "outside")
        _join(node, GATEWAY_IP, pod, POD_IP, "pods")
        with node.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        yield Site(node, pod, client)
