"""A whole cluster of the tests' own, started and removed by the real command.

Everything that a cluster takes on a host follows from one number, the slot, so that several run beside each other and
beside a default one. A guard process holds a pipe of ours: when it closes, at the end of the tests or because they
were killed, the guard uninstalls the cluster.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
SLOTS = 250
PORTS_PER_SLOT = 40
FIRST_PORT = 20000
FIRST_NODE_PORT = 10  # of a slot's ports; those before are the components'
UP_LIMIT_S = 100
LOG_LINES = 40


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the places for a cluster on a host."""

    number: int

    @property
    def first_port(self) -> int:
        return FIRST_PORT + self.number * PORTS_PER_SLOT

    @property
    def node_ports(self) -> range:
        return range(self.first_port + FIRST_NODE_PORT, self.first_port + PORTS_PER_SLOT)

    def is_free(self) -> bool:
        """Does nobody listen on any of its ports, and is there no bridge of its name?"""
        ports = range(self.first_port, self.first_port + PORTS_PER_SLOT)
        names = {name for _, name in socket.if_nameindex()}
        return not names & {self.bridge, self.dns_interface} and all(_is_free(port) for port in ports)

    @property
    def bridge(self) -> str:
        return f"e2eb{self.number}"

    @property
    def dns_interface(self) -> str:
        return f"e2ed{self.number}"

    @property
    def name(self) -> str:
        return f"e2e-{self.number}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def free_slot(after: int) -> Slot:
    """The first free place, counted from a number."""
    for number in range(after, after + SLOTS):
        slot = Slot(number % SLOTS)
        if slot.is_free():
            return slot
    raise AssertionError("no place for a cluster of the tests is free")


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of ours or of a user's kubectl."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("STEERSMAN_", "KUBE"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | more


@dataclass(slots=True)
class Cluster:
    """A cluster below a directory. `prefix` comes before every command: to run it in a network namespace."""

    slot: Slot
    folder: Path
    prefix: tuple[str, ...] = ()
    docker_host: str = "unix:///var/run/docker.sock"
    keep_images: bool = True  # others on this host use them
    settings: tuple[str, ...] = ()
    _guard: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "etc/steersman/admin.kubeconfig"

    @property
    def node_port(self) -> int:
        """Where the guestbook's page is served."""
        return self.slot.node_ports[0]

    @property
    def apiserver_port(self) -> int:
        return self.slot.first_port

    @property
    def agent_port(self) -> int:
        return self.slot.first_port + 1

    @property
    def cadvisor_port(self) -> int:
        return self.slot.first_port + 2

    @property
    def netproxy_port(self) -> int:
        return self.slot.first_port + 3

    @property
    def dns_address(self) -> str:
        return f"169.254.21.{self.slot.number + 1}"

    def flags(self) -> tuple[str, ...]:
        """All settings of this cluster as flags of `steersman up`."""
        number = self.slot.number
        ports = self.slot.node_ports
        told = {
            "root": self.root,
            "name": self.slot.name,
            "node-name": f"node-{number}",
            "apiserver-port": self.apiserver_port,
            "agent-port": self.agent_port,
            "cadvisor-port": self.cadvisor_port,
            "netproxy-health-port": self.netproxy_port,
            "controllers-health-port": self.slot.first_port + 4,
            "scheduler-health-port": self.slot.first_port + 5,
            "dns-metrics-port": self.slot.first_port + 6,
            "dns-address": self.dns_address,
            "dns-interface": self.slot.dns_interface,
            "service-cidr": f"10.150.{number}.0/24",
            "pod-cidr": f"10.151.{number}.0/24",
            "node-port-range": f"{ports[0]}-{ports[-1]}",
            "bridge": self.slot.bridge,
            "chain-prefix": f"E2E{number}",
            "docker-host": self.docker_host,
            "container-log-dir": self.folder / "containers",
            "pod-log-dir": self.folder / "pods",
        }
        return (*(f"--{key}={value}" for key, value in told.items()), *self.settings)

    def steersman(self, *arguments: str, check: bool = True, limit_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the real command to its end."""
        command = [*self.prefix, sys.executable, "-m", "cli.steersman", *arguments]
        result = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(f"{arguments} ended with {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def up(self) -> str:
        """Start it, or find it started; what the command said."""
        self.guard()
        return self.steersman("up", *self.flags(), f"--timeout={UP_LIMIT_S - 20}", limit_s=UP_LIMIT_S).stdout

    def down(self) -> str:
        return self.steersman("down", "--root", str(self.root)).stdout

    def uninstall(self, *more: str) -> str:
        """Remove it; what was removed. The guard has nothing more to do then."""
        images = ("--keep-images",) if self.keep_images else ()
        return self.steersman("uninstall", "--yes", *images, *more, *self.flags()).stdout

    def guard(self) -> None:
        """See to it that all that is made for this cluster is uninstalled, whatever becomes of the tests."""
        if self._guard is not None:
            return
        images = ("--keep-images",) if self.keep_images else ()
        uninstall = [*self.prefix, sys.executable, "-m", "cli.steersman", "uninstall", "--yes", *images, *self.flags()]
        self._guard = subprocess.Popen(
            ["sh", "-c", 'cat >/dev/null; "$@"', "guard", *uninstall],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=(self.folder / "uninstall.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def remove(self) -> str:
        """Let the guard uninstall it; what it said."""
        if self._guard is None:
            return ""
        self._guard.communicate(timeout=120)
        code, self._guard = self._guard.returncode, None
        said = (self.folder / "uninstall.log").read_text(encoding="utf-8")
        assert code == 0, said
        return said

    def pids(self) -> dict[str, int]:
        """The pid of the supervisor and of each running component."""
        written = json.loads((self.root / "run/steersman/status.json").read_text(encoding="utf-8"))
        found = {one["name"]: one["process"]["pid"] for one in written["entries"] if one["process"]}
        return {"supervisor": written["supervisor"]["pid"]} | found

    def processes(self) -> dict[str, psutil.Process]:
        return {name: psutil.Process(pid) for name, pid in self.pids().items()}

    def ends_of_logs(self) -> str:
        """The last lines of each component's log, for the report of a failed test."""
        parts = []
        for path in sorted((self.root / "var/log/steersman").glob("*.log")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            parts.append("\n".join([f"--- {path.name}", *lines]))
        return "\n".join(parts)

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run the docker command against this cluster's daemon; what it printed."""
        command = ["docker", "-H", self.docker_host, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if check and result.returncode:
            raise AssertionError(f"docker {arguments} failed: {result.stderr}")
        return result.stdout

    def containers(self) -> dict[str, str]:
        """Name to id of this cluster's running containers."""
        listed = self.docker(
            "ps",
            "--no-trunc",
            "--filter",
            f"label=io.steersman.cluster={self.slot.name}",
            "--format",
            "{{.Names}} {{.ID}}",
        )
        return dict(line.split() for line in listed.splitlines())

    def container(self, pod: dict[str, Any], name: str = "") -> str:
        """The Docker id of a pod's container, the first by default, as the pod's status tells it."""
        statuses: Sequence[dict[str, Any]] = pod["status"]["containerStatuses"]
        (found,) = [one for one in statuses if one["name"] == (name or statuses[0]["name"])]
        return str(found["containerID"]).removeprefix("docker://")

    def execute(self, pod: dict[str, Any], *command: str, check: bool = True) -> str:
        """Run a command in a pod's first container, by Docker itself."""
        return self.docker("exec", self.container(pod), *command, check=check)
