"""Where the proxy is measured: a client, a node and four backends, each in a network namespace of its own.

The client reaches the backends through the node, which forwards. Everything ends with the `with` block.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

NODE_IP, CLIENT_IP = "192.0.2.1", "192.0.2.2"
BACKENDS = 4
WEB_PORT, HOLD_PORT, UDP_PORT, IPERF_PORT = 8080, 7000, 7001, 5201
BODY_BYTES = 128

WEB = f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend web
  bind :{WEB_PORT}
  http-request return status 200 content-type text/plain string {"x" * BODY_BYTES}
"""


def backend_ip(number: int) -> str:
    """The address of one backend."""
    return f"10.244.{number}.2"


@dataclass(frozen=True, slots=True)
class Site:
    """Names of the namespaces, a folder for configuration, and the stack that ends what was started."""

    client: str
    node: str
    backends: tuple[str, ...]
    folder: Path
    stack: ExitStack

    def start(self, netns: str, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a program in a namespace; it ends with the site."""
        process = subprocess.Popen(["ip", "netns", "exec", netns, *command], **options)  # type: ignore[call-overload]
        self.stack.callback(_end, process)
        return process  # type: ignore[no-any-return]

    def haproxy(self, netns: str, name: str, config: str) -> subprocess.Popen[bytes]:
        """Start HAProxy with this configuration."""
        path = self.folder / f"{name}.cfg"
        path.write_text(config)
        return self.start(netns, "haproxy", "-q", "-db", "-f", str(path))


def run(netns: str, *command: str, text: str = "") -> str:
    """The output of a command in a namespace."""
    done = subprocess.run(
        ["ip", "netns", "exec", netns, *command], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr}{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """The namespaces, connected, with the backends' servers running."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        client, node, *backends = (
            stack.enter_context(namespace(name)) for name in ("client", "node", *(f"b{n}" for n in range(BACKENDS)))
        )
        _join(node, NODE_IP, client, CLIENT_IP, "outside")
        for number, backend in enumerate(backends):
            _join(node, f"10.244.{number}.1", backend, backend_ip(number), f"pods{number}")
        run(node, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        # Nobody else dials here, and closed connections keep their port for a minute.
        for each in (client, node):
            run(each, "sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000", "net.ipv4.tcp_tw_reuse=1")
        # Else their entries fill the table in a minute, 15,000 a second.
        run(node, "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1")
        place = Site(client, node, tuple(backends), folder, stack)
        for backend in backends:
            place.haproxy(backend, "web", WEB)
        place.start(backends[0], "iperf3", "-s", stdout=subprocess.DEVNULL)
        place.start(backends[0], "python3", "-m", "bench.proxy_backend", str(HOLD_PORT), str(UDP_PORT))
        yield place


@contextlib.contextmanager
def namespace(name: str) -> Iterator[str]:
    full = f"bench-{os.getpid()}-{name}"
    subprocess.run(["ip", "netns", "add", full], check=True)
    try:
        run(full, "ip", "link", "set", "lo", "up")
        yield full
    finally:
        subprocess.run(["ip", "netns", "del", full], check=True)


def _join(node: str, node_ip: str, other: str, other_ip: str, device: str) -> None:
    run(node, "ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", other)
    run(node, "ip", "addr", "add", f"{node_ip}/24", "dev", device)
    run(node, "ip", "link", "set", device, "up")
    run(other, "ip", "addr", "add", f"{other_ip}/24", "dev", "eth0")
    run(other, "ip", "link", "set", "eth0", "up")
    run(other, "ip", "route", "add", "default", "via", node_ip)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
