"""Hosts made of network namespaces: two on one segment, a third behind a router, each with a pod on its bridge.

Docker's own rules for a bridge are put there as Docker puts them: it drops what comes from outside, and masquerades.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BRIDGE = "pods0"
CLUSTER = "hosts-test"
BALANCER = "198.18.84.200"
"""An address of the segment of ``near`` and ``beside``, for a service of type LoadBalancer."""


def run(*command: str, check: bool = True, limit_s: float = 30) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@dataclass
class Space:
    """A network namespace."""

    name: str

    def make(self) -> None:
        run("ip", "netns", "add", self.name)
        self("ip", "link", "set", "lo", "up")

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def __call__(self, *command: str, check: bool = True, limit_s: float = 30) -> str:
        return run(*self.prefix, *command, check=check, limit_s=limit_s)

    def remove(self) -> None:
        run("ip", "netns", "del", self.name, check=False)


def connect(one: Space, one_device: str, other: Space, other_device: str, *, mtu: int = 1500) -> None:
    """A cable."""
    one(
        "ip", "link", "add", one_device, "mtu", str(mtu), "type", "veth",
        "peer", "name", other_device, "mtu", str(mtu), "netns", other.name,
    )  # fmt: skip
    one("ip", "link", "set", one_device, "up")
    other("ip", "link", "set", other_device, "up")


@dataclass
class Host(Space):
    """A host with a pod. ``number`` gives its pod range: 10.83.<number>.0/24."""

    number: int = 0
    address: str = ""
    pod: Space = field(default_factory=lambda: Space(""))
    _process: subprocess.Popen[str] | None = None
    _listener: threading.Thread | None = None
    said: list[str] = field(default_factory=list)

    @property
    def node(self) -> str:
        return f"node-{self.number}"

    @property
    def cidr(self) -> str:
        return f"10.83.{self.number}.0/24"

    @property
    def pod_address(self) -> str:
        return f"10.83.{self.number}.10"

    def make_pod(self) -> None:
        """The bridge as Docker makes it, with its rules, and one pod."""
        self.pod.make()
        gateway = f"10.83.{self.number}.1"
        self("ip", "link", "add", BRIDGE, "type", "bridge")
        self("ip", "addr", "add", f"{gateway}/24", "dev", BRIDGE)
        self("ip", "link", "set", BRIDGE, "up")
        connect(self, "veth-pod", self.pod, "eth0")
        self("ip", "link", "set", "veth-pod", "master", BRIDGE)
        self.pod("ip", "addr", "add", f"{self.pod_address}/24", "dev", "eth0")
        self.pod("ip", "route", "add", "default", "via", gateway)
        self("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self("iptables", "-P", "FORWARD", "DROP")
        self(*f"iptables -A FORWARD -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT".split())
        self(*f"iptables -A FORWARD -i {BRIDGE} ! -o {BRIDGE} -j ACCEPT".split())
        self(*f"iptables -A FORWARD -i {BRIDGE} -o {BRIDGE} -j ACCEPT".split())
        self(*f"iptables -t nat -A POSTROUTING -s {self.cidr} ! -o {BRIDGE} -j MASQUERADE".split())

    def start_routes(self, *, mode: str = "auto", cluster: str = CLUSTER) -> None:
        """The agent's part that keeps routes, in a process of its own."""
        told = {"cluster": cluster, "bridge": BRIDGE, "mode": mode}
        told |= {"own": [self.node, self.address, self.cidr]}
        self._process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "tests.hosts.route_process", json.dumps(told)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(self._process,), name="routes-log", daemon=True)
        self._listener.start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.said.append(line)

    def tell(self, nodes: Sequence[dict[str, Any]]) -> None:
        """The nodes as the API has them now."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(list(nodes)) + "\n")
        self._process.stdin.flush()

    def stop_routes(self, *, kill: bool = False) -> None:
        if self._process is not None:
            if kill:
                self._process.kill()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(20)
            assert self._listener is not None
            self._listener.join(5)
            self._process = None

    def document(self) -> dict[str, Any]:
        """This host's Node."""
        return {
            "metadata": {"name": self.node},
            "spec": {"podCIDR": self.cidr},
            "status": {"addresses": [{"type": "InternalIP", "address": self.address}]},
        }

    def ours(self) -> list[str]:
        """All routes, rules and devices that are not Docker's or the test's own."""
        routes = self("ip", "-4", "route", "show", "proto", "84").splitlines()
        rules = [one for one in self("iptables-save").splitlines() if "STEER-PODS" in one]
        devices = self("ip", "-o", "link", "show", "type", "vxlan").splitlines()
        return [line.strip() for line in (*routes, *rules, *devices)]

    def state(self) -> str:
        """Routes, rules and devices, to be compared."""
        saved = [line for line in self("iptables-save").splitlines() if not line.startswith("#")]
        plain = [line.split(" [")[0] for line in saved]
        return "\n".join([self("ip", "-4", "route"), self("ip", "-br", "link"), *plain])


@dataclass
class Hosts:
    """``near`` and ``beside`` share a segment, ``far`` is behind ``router``."""

    near: Host
    beside: Host
    far: Host
    router: Space

    @property
    def all(self) -> tuple[Host, Host, Host]:
        return self.near, self.beside, self.far

    def tell(self, *hosts: Host) -> None:
        """Every host that runs is told of these nodes."""
        for host in self.all:
            if host._process is not None:
                host.tell([one.document() for one in hosts])

    def start(self, *, mode: str = "auto") -> None:
        for host in self.all:
            host.start_routes(mode=mode)
        self.tell(*self.all)

    def stop(self) -> None:
        for host in self.all:
            host.stop_routes()

    def remove(self) -> None:
        for host in self.all:
            host.stop_routes(kill=True)
            for space in (host.pod, host):
                space.remove()
        self.router.remove()


def make_hosts(*, pods: bool = True) -> Hosts:
    """``pods``: with bridges and pods made by hand; otherwise hosts only, on which Docker makes them."""
    unique = f"{os.getpid() % 10000}{uuid.uuid4().hex[:4]}"
    addresses = ("198.18.84.11", "198.18.84.12", "198.18.85.13")
    near, beside, far = (
        Host(f"sh{unique}h{number}", number=number, address=address, pod=Space(f"sh{unique}p{number}"))
        for number, address in enumerate(addresses, 1)
    )
    hosts = Hosts(near, beside, far, Space(f"sh{unique}r"))
    try:
        _wire(hosts, pods=pods)
    except BaseException:
        hosts.remove()
        raise
    return hosts


def _wire(hosts: Hosts, *, pods: bool) -> None:
    """The router is the first segment's switch too."""
    router = hosts.router
    router.make()
    router("sysctl", "-qw", "net.ipv4.ip_forward=1")
    router("ip", "link", "add", "segment", "type", "bridge")
    router("ip", "link", "set", "segment", "up")
    router("ip", "addr", "add", "198.18.84.1/24", "dev", "segment")
    for host in hosts.all:
        host.make()
        port = f"port{host.number}"
        connect(router, port, host, "eth0")
        segment = host.address.rpartition(".")[0]
        host("ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
        host("ip", "route", "add", "default", "via", f"{segment}.1")
        if host is hosts.far:
            router("ip", "addr", "add", f"{segment}.1/24", "dev", port)
        else:
            router("ip", "link", "set", port, "master", "segment")
        if pods:
            host.make_pod()
